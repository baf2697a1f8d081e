"""Architectures, as functions of a few arguments that return a layer."""

from equinet.models.attention import swin as swin
from equinet.models.attention import vit as vit
from equinet.models.encoder_decoder import unet as unet
from equinet.models.operator import fno as fno
from equinet.models.registry import MODELS as MODELS
from equinet.models.registry import build as build
from equinet.models.residual import convnext as convnext
from equinet.models.residual import resnet as resnet
from equinet.models.residual import wide_resnet as wide_resnet
from equinet.models.simple import fcn as fcn
from equinet.models.simple import small_cnn as small_cnn
from equinet.models.simple import vgg as vgg

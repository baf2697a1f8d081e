"""Advice from certificates: sizes that keep a required group, and edits that win one back."""

from equinet.advise.require import Requirement as Requirement
from equinet.advise.sizes import LegalSizes as LegalSizes
from equinet.advise.sizes import legal_sizes as legal_sizes
from equinet.advise.suggest import Suggestion as Suggestion
from equinet.advise.suggest import Suggestions as Suggestions
from equinet.advise.suggest import suggest as suggest
from equinet.advise.why import Lack as Lack

"""Which logs this machine believes, and by which key."""

from capmart_sdk.trust.offers import Offer, offers
from capmart_sdk.trust.store import TrustedOrigin, TrustStore

__all__ = ["Offer", "TrustStore", "TrustedOrigin", "offers"]

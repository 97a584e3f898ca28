"""What one person keeps secret: publisher keys and tokens."""

from capmart_sdk.keys.credentials import Credential, Credentials
from capmart_sdk.keys.store import KeyStore, StoredKey

__all__ = ["Credential", "Credentials", "KeyStore", "StoredKey"]

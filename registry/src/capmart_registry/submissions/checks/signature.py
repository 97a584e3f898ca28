"""Check ``signature``: the statement is signed by a key that the namespace has now."""

from __future__ import annotations

from collections.abc import Iterator

from capmart_core.errors import CapmartError
from capmart_core.hooks import hookimpl
from capmart_core.signing import PublicKey, verify_envelope
from capmart_core.statements import STATEMENT_TYPE
from capmart_core.text import Text
from capmart_registry.hooks.subject import CheckSubject, Finding

_FILE = "statement"


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding]:
    """A key may have been revoked since the submission came in."""
    for signature in subject.envelope.signatures:
        key = subject.catalog.key(subject.namespace, signature.keyid)
        if key is None:
            continue
        try:
            verify_envelope(subject.envelope, PublicKey.parse(key), STATEMENT_TYPE)
        except CapmartError as error:
            yield Finding(
                severity="error",
                file=_FILE,
                rule="signature_invalid",
                message=Text(zh=error.message("zh"), en=error.message("en")),
                next=Text(zh="请重新签名并提交：capmart publish", en="Sign and submit it again: capmart publish"),
            )
        return
    keyid = subject.envelope.signatures[0].keyid
    yield Finding(
        severity="error",
        file=_FILE,
        rule="key_not_granted",
        message=Text(
            zh=f"签名密钥 {keyid} 目前不属于命名空间 {subject.namespace}",
            en=f"the signing key {keyid} does not belong to namespace {subject.namespace} now",
        ),
        next=Text(
            zh=f"登记密钥后重新提交：capmart key add {subject.namespace}",
            en=f"Register a key, then submit again: capmart key add {subject.namespace}",
        ),
    )

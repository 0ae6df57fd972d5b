"""Who a certificate of a site speaks for: SPIFFE IDs (SPIFFE-ID section 2) in its one URI name.

    spiffe://SITE/slsm                          the site's manager
    spiffe://SITE/node/NODE                     a node
    spiffe://SITE/node/NODE/service/SERVICE     a service on a node: a site seal
"""

from . import encode, extensions
from .compat import const
from .der import CONTEXT, single
from .errors import ProfileViolation, WrongNode, WrongService, WrongSite
from .names import check_label

_SCHEME = "spiffe://"
_URI = const(CONTEXT | 6)  # GeneralName uniformResourceIdentifier
_MAX_URI = const(256)


def slsm(site: str) -> str:
    return _SCHEME + check_label(site) + "/slsm"


def node(site: str, name: str) -> str:
    return _SCHEME + check_label(site) + "/node/" + check_label(name)


def service(site: str, node_name: str, name: str) -> str:
    return node(site, node_name) + "/service/" + check_label(name)


def subject_alt_name(uri: str) -> bytes:
    """The value of a subjectAltName extension that holds this URI alone."""
    return encode.sequence(encode.text(uri, _URI))


def read(certificate) -> str:
    """The one URI that a certificate's subjectAltName holds; raises ProfileViolation."""
    extension = certificate.extensions.get(extensions.SUBJECT_ALT_NAME)
    if extension is None:
        raise ProfileViolation("no subjectAltName")
    reader = single(extension.value)
    if reader.peek() != _URI:
        raise ProfileViolation("subjectAltName is not a URI")
    uri = reader.text(1, _MAX_URI, _URI)
    if reader.peek() >= 0:
        raise ProfileViolation("subjectAltName is more than one URI")
    return uri


def check_service(uri: str, site: str, node_name: str, name: str) -> None:
    """Raises WrongSite, WrongNode or WrongService unless `uri` is this service on this node."""
    if uri == service(site, node_name, name):
        return
    if not uri.startswith(_SCHEME + site + "/"):
        raise WrongSite(uri)
    if not uri.startswith(node(site, node_name) + "/service/"):
        raise WrongNode(uri)
    raise WrongService(uri)

"""Where sealcore and others judge differently, and why: the one place that says so.

PKITS is NIST's suite for whole certification paths. sealcore checks a certificate under its direct
issuer, because a seal has no more above it than a key of the trust bundle.
"""

# Accepted, although the path is invalid: what would refuse it is not part of a direct check.
PKITS_ACCEPTED = {
    "a certificate is revoked, or no CRL says that it is not: seals are short-lived, and no CRL is "
    "ever read": (
        "4.4.1 4.4.2 4.4.3 4.4.4 4.4.5 4.4.6 4.4.8 4.4.9 4.4.10 4.4.11 4.4.12 4.4.15 4.4.18 4.4.20 "
        "4.4.21 4.5.2 4.5.5 4.5.7"
    ),
    "the issuer's key may not sign CRLs: as above": "4.7.4 4.7.5",
    "CRLs by distribution point and by others than the issuer, and delta CRLs: as above": (
        "4.14.2 4.14.3 4.14.6 4.14.8 4.14.9 4.14.11 4.14.12 4.14.14 4.14.15 4.14.16 4.14.17 "
        "4.14.20 4.14.21 4.14.23 4.14.26 4.14.27 4.14.31 4.14.32 4.14.34 4.14.35 "
        "4.15.1 4.15.3 4.15.4 4.15.6 4.15.9 4.15.10"
    ),
    "path lengths count the certificates between two ends, and between an issuer and what it "
    "issued is none": "4.6.5 4.6.6 4.6.9 4.6.10 4.6.11 4.6.12 4.6.16",
    "a policy is missing somewhere on the path, while no extension that asks for one is critical": (
        "4.8.4 4.8.5 4.8.7 4.8.8 4.8.9 4.8.12"
    ),
}

# Refused, although the path is valid.
PKITS_REFUSED = {
    "DSA signatures": "4.1.4 4.1.5",
    "a GeneralizedTime before 2050: RFC 5280 section 4.1.2.5 wants UTCTime": "4.2.4",
    "unique identifiers: RFC 5280 section 4.1.2.8 lets no CA issue them": "4.3.6",
    "policyConstraints are critical and not understood": "4.9.1 4.9.2 4.9.4 4.9.6",
    "policyMappings are critical and not understood": (
        "4.10.1 4.10.3 4.10.5 4.10.6 4.10.9 4.10.11 4.10.12 4.10.13 4.10.14 4.11.2 4.11.4 4.11.7"
    ),
    "inhibitAnyPolicy is critical and not understood": "4.12.2 4.12.3 4.12.7 4.12.9",
    "nameConstraints are critical and not understood": (
        "4.13.1 4.13.4 4.13.5 4.13.6 4.13.11 4.13.14 4.13.18 4.13.19 4.13.21 4.13.23 4.13.25 "
        "4.13.27 4.13.30 4.13.32 4.13.34 4.13.36"
    ),
}

# On no path: their keys sign CRLs only.
PKITS_UNUSED = {
    "SeparateCertificateandCRLKeysCRLSigningCert",
    "SeparateCertificateandCRLKeysCA2CRLSigningCert",
    "indirectCRLCA3cRLIssuerCert",
    "indirectCRLCA4cRLIssuerCert",
}

"""Where sealcore and others judge differently, and why: the one place that says so.

PKITS is NIST's suite for whole certification paths. sealcore checks a certificate under its direct
issuer, because a seal has no more above it than a key of the trust bundle.
"""

import re
from typing import NamedTuple

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
    "policyConstraints are critical and not understood": "4.9.1 4.9.2 4.9.4 4.9.6",
    "policyMappings are critical and not understood": (
        "4.10.1 4.10.3 4.10.5 4.10.6 4.10.9 4.10.11 4.10.12 4.10.13 4.10.14 4.11.2 4.11.4 4.11.7"
    ),
    "inhibitAnyPolicy is critical and not understood": "4.12.2 4.12.3 4.12.7 4.12.9",
    "nameConstraints are critical and not understood: they bind all that follows on a path, and a "
    "direct check that weighed them would lose them one certificate later": (
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

# Wycheproof's flags of signatures that it calls acceptable, and sealcore refuses: {flag: reason}.
WYCHEPROOF_REFUSED = {
    "MissingNull": "no NULL behind the hash's identifier: RFC 8017 section 9.2 always writes one, "
    "and the encoded message is rebuilt rather than read",
}

# Files of cryptography's x509 vectors, those of PKITS among them, that `cryptography` accepts and
# sealcore refuses: {reason: (code, files)}.
VECTORS_REFUSED = {
    "signed with other than RSA PKCS #1 v1.5 or P-256 and SHA-256": (
        "unsupported-certificate",
        """
        PKITS_data/certs/ValidDSASignaturesTest4EE.crt accvraiz1.pem ecdsa_root.pem
        ee-pss-sha1-cert.pem ed25519/root-ed25519.pem ed448/root-ed448.pem
        custom/aia_ca_issuers.pem custom/aia_ocsp.pem custom/aia_ocsp_ca_issuers.pem
        custom/all_key_usages.pem custom/all_supported_names.pem
        custom/authority_key_identifier.pem custom/authority_key_identifier_no_keyid.pem
        custom/bad_country.pem custom/basic_constraints_not_critical.pem
        custom/bc_path_length_zero.pem custom/ca/rsae_ca.pem custom/cdp_all_reasons.pem
        custom/cdp_crl_issuer.pem custom/cdp_fullname_reasons_crl_issuer.pem
        custom/cdp_reason_aa_compromise.pem custom/cp_cps_uri.pem
        custom/cp_user_notice_no_explicit_text.pem custom/cp_user_notice_with_explicit_text.pem
        custom/cp_user_notice_with_notice_reference.pem custom/dsa_selfsigned_ca.pem
        custom/extended_key_usage.pem custom/ian_uri.pem custom/inhibit_any_policy_5.pem
        custom/policy_constraints_explicit.pem custom/post2000utctime.pem custom/rsa_pss.pem
        custom/rsa_pss_cert.pem custom/rsa_pss_sha256_no_null.pem custom/san_dirname.pem
        custom/san_email_dns_ip_dirname_uri.pem custom/san_idna2003_dnsname.pem
        custom/san_idna_names.pem custom/san_ipaddr.pem custom/san_other_name.pem
        custom/san_rfc822_idna.pem custom/san_rfc822_names.pem custom/san_uri_with_port.pem
        custom/unsupported_extension.pem custom/unsupported_extension_2.pem
        custom/unsupported_extension_critical.pem custom/unsupported_subject_name.pem
        custom/utf8_common_name.pem
        """,
    ),
    "a public key that is neither RSA nor P-256": (
        "unsupported-certificate",
        "PKITS_data/certs/DSACACert.crt custom/ec_no_named_curve.pem "
        "ed25519/server-ed25519-cert.pem ed448/server-ed448-cert.pem",
    ),
    "an RSA key of less than 2048 bits": (
        "unsupported-certificate",
        "custom/san_registered_id.pem",
    ),
    "a signature that is not of whole bytes": (
        "malformed-der",
        "PKITS_data/certs/BadSignedCACert.crt PKITS_data/certs/InvalidDSASignatureTest6EE.crt",
    ),
    "a GeneralizedTime before 2050: RFC 5280 section 4.1.2.5 wants UTCTime": (
        "malformed-der",
        "PKITS_data/certs/Invalidpre2000UTCEEnotAfterDateTest7EE.crt "
        "PKITS_data/certs/ValidGeneralizedTimenotBeforeDateTest4EE.crt",
    ),
    "the algorithm inside the signed part and the one outside differ": (
        "malformed-der",
        "custom/mismatch_inner_outer_sig_algorithm.der custom/rsa_pss_cert_invalid_mgf.der "
        "custom/rsa_pss_cert_unsupported_mgf_hash.der",
    ),
    "a key usage without any bit: RFC 5280 section 4.2.1.3 wants one at least": (
        "malformed-der",
        "custom/alternate-rsa-sha1-oid.der",
    ),
    "an byte beyond ASCII in an IA5String": ("malformed-der", "utf8-dnsname.pem"),
}

# Accepted by sealcore, refused by `cryptography`, by `asn1crypto` or by both. What is inside an
# extension that RFC 5280 does not have stays unread; where one is critical, check_issued refuses.
VECTORS_ACCEPTED = {
    "signed certificate timestamps (1.3.6.1.4.1.11129.2.4.2)": """
        badssl-sct-anonymous-sig.der badssl-sct-none-hash.der custom/invalid-sct-length.der
        custom/invalid-sct-version.der
        """,
    "unique identifiers, which asn1crypto writes in another way": """
        PKITS_data/certs/UIDCACert.crt PKITS_data/certs/ValidNameUIDsTest6EE.crt
        """,
    "cRLDistributionPoints: an empty host name, which asn1crypto writes in another way": (
        "custom/cdp_empty_hostname.pem"
    ),
    "certificatePolicies: a number beyond 28 bits in an identifier, which asn1crypto writes in "
    "another way": "bigoid.pem",
}


class Difference(NamedTuple):
    """Where sealcore may accept what one referee refuses.

    Attributes:
        reason: why.
        referee: its name.
        refusal: what it says, a regular expression.
        bytes: what the certificate then holds, a regular expression.
    """

    reason: str
    referee: str
    refusal: str
    octets: bytes

    def covers(self, referee: str, refusal: str, der: bytes) -> bool:
        """Whether this refusal of this certificate is of this kind."""
        return (
            self.referee == referee
            and re.search(self.refusal, refusal, re.DOTALL) is not None
            and re.search(self.octets, der, re.DOTALL) is not None
        )


# What the fuzzer may see sealcore accept. Each concerns one referee: the other one stays on guard.
FUZZ = (
    Difference(
        "cryptography reads no object identifier with a number beyond 128 bits",
        "by_cryptography",
        "InvalidValue",
        rb"\x06.[^\x30]*[\x80-\xff]{18}",
    ),
    Difference(
        "cryptography reads no object identifier of more than 63 bytes",
        "by_cryptography",
        "OidTooLong",
        rb"\x06[\x40-\x7f\x81\x82]",
    ),
    Difference(
        "sealcore leaves unread what is in an extension that RFC 5280 does not have; where it is "
        "critical, check_issued refuses",
        "by_cryptography",
        "",
        rb"\x06\x03\x55\x1d(?![\x09\x0e\x0f\x11\x12\x13\x1e\x1f\x20\x21\x23-\x25\x2e\x36\x38])"
        rb"|\x06.\x2b\x06\x01\x05\x05\x07\x01(?![\x01\x0b])|\x06.\x2b\x06\x01\x04\x01\xd6\x79",
    ),
    Difference(
        "as above",
        "by_asn1crypto",
        "",
        rb"\x06\x03\x55\x1d(?![\x09\x0e\x0f\x11\x12\x13\x1e\x1f\x20\x21\x23-\x25\x2e\x36\x38])|\x06.\x2b\x06\x01\x05\x05\x07\x01(?![\x01\x0b])",
    ),
    Difference(
        "cryptography reads the qualifiers of a policy; sealcore sees that each is one element",
        "by_cryptography",
        "PolicyQualifierInfo|CpsUri|UserNotice",
        rb"\x06\x03\x55\x1d\x20",
    ),
    Difference(
        "cryptography has BIT STRINGs in an x500UniqueIdentifier alone; sealcore does not tell "
        "which attribute has which type of string, and compares the bytes",
        "by_cryptography",
        "oid must be X500_UNIQUE_IDENTIFIER",
        rb"\x03",
    ),
    Difference(
        "asn1crypto knows the string types of some attributes of a name and takes no other; "
        "sealcore takes each string type of X.520, as certificates in the wild have them",
        "by_asn1crypto",
        "NameTypeAndValue",
        b"",
    ),
    Difference(
        "asn1crypto writes mail addresses, host names and URIs in another way than it read them",
        "by_asn1crypto",
        "the value of an extension is not in DER|Unicode(Encode)?Error|invalid literal for int",
        rb"[\x81\x82\x86]",
    ),
    Difference(
        "asn1crypto reads the value of an otherName, and fails at some types; sealcore sees that "
        "it is one element",
        "by_asn1crypto",
        "AnotherName|^(Unicode|Attribute|Type)[A-Za-z]*Error",
        rb"\xa0.{1,3}\x06",
    ),
    Difference(
        "asn1crypto writes an emailAddress of another string type as an IA5String",
        "by_asn1crypto",
        "^ValueError: not in DER",
        rb"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01(?!\x16\x06a@b\.de)",
    ),
    Difference(
        "cryptography wants keyAgreement beside encipherOnly and decipherOnly; RFC 5280 section "
        "4.2.1.3 leaves open what they mean without it, and sealcore uses none of the three",
        "by_cryptography",
        "encipher_only and decipher_only can only be true",
        rb"\x55\x1d\x0f",
    ),
    Difference(
        "cryptography holds the numbers of policyConstraints and inhibitAnyPolicy in 64 bits; RFC "
        "5280 has SkipCerts without an upper bound, and sealcore uses neither",
        "by_cryptography",
        "IntegerOverflow",
        rb"\x55\x1d[\x24\x36]",
    ),
)

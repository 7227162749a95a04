//! Cipher suites that do not protect.

/// Whether a suite (IANA, TLS Cipher Suites) is without encryption, without authentication, made for
/// export, or uses DES, 3DES (RFC 9325, 4.1), RC2, RC4 (RFC 7465) or MD5.
pub(super) const fn is_weak(suite: u16) -> bool {
    matches!(
        suite,
        // RSA and Diffie-Hellman of SSL 3.0 and TLS 1.0, all but IDEA.
        0x0000..=0x0006 | 0x0008..=0x001b
        // Kerberos, all but IDEA with SHA.
        | 0x001e..=0x0020 | 0x0022..=0x002b
        // Pre-shared keys: NULL, RC4, 3DES.
        | 0x002c..=0x002e | 0x008a..=0x008b | 0x008e..=0x008f | 0x0092..=0x0093
        | 0x00b0..=0x00b1 | 0x00b4..=0x00b5 | 0x00b8..=0x00b9
        // Anonymous, and RSA with NULL and SHA-256.
        | 0x0034 | 0x003a | 0x003b | 0x0046 | 0x006c..=0x006d | 0x0089 | 0x009b
        | 0x00a6..=0x00a7 | 0x00bf | 0x00c5
        // Drafts for export with 1024 bits, and RC4 beside them.
        | 0x0060..=0x0066
        // Elliptic curves: NULL, RC4, 3DES, anonymous; SRP with 3DES.
        | 0xc001..=0xc003 | 0xc006..=0xc008 | 0xc00b..=0xc00d | 0xc010..=0xc012 | 0xc015..=0xc01c
        | 0xc033..=0xc034 | 0xc039..=0xc03b
        // Anonymous with ARIA and Camellia.
        | 0xc046..=0xc047 | 0xc05a..=0xc05b | 0xc084..=0xc085
        // Integrity alone (RFC 9150).
        | 0xc0b4..=0xc0b5
        // DES and 3DES by Netscape's own numbers.
        | 0xfefe..=0xfeff
    )
}

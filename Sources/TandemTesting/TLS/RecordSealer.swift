internal import COpenSSL

/// Seals the records that a client sends over TLS 1.3 with `suite` (RFC 8446, 5.2).
///
/// OpenSSL's client always puts a whole handshake message into one record. This type lets a test choose the content of each
/// record. Once a test seals records of a connection, the client's OpenSSL must send nothing more on it; it can still read.
package struct RecordSealer {
    /// The content type of a record, which is encrypted.
    package enum ContentType: UInt8 { case handshake = 22, applicationData = 23 }

    /// The cipher suite that the client must offer, and no other.
    package static let suite = "TLS_AES_128_GCM_SHA256"
    private static let (keyLength, ivLength, tagLength) = (16, 12, 16)

    private var secret: [UInt8]
    private var key: [UInt8]
    private var iv: [UInt8]
    private var sequenceNumber: UInt64 = 0

    /// - Parameter secret: The client's first application traffic secret. No record has been sealed with it yet.
    package init(secret: [UInt8]) {
        self.secret = secret
        key = Self.expand(secret, label: "key", count: Self.keyLength)
        iv = Self.expand(secret, label: "iv", count: Self.ivLength)
    }

    /// Returns one record with this content.
    package mutating func seal(_ content: some Collection<UInt8>, as type: ContentType = .applicationData) -> [UInt8] {
        let plaintext = Array(content) + [type.rawValue]
        let length = plaintext.count + Self.tagLength
        let header: [UInt8] = [ContentType.applicationData.rawValue, 3, 3, UInt8(length >> 8), UInt8(length & 0xFF)]
        var nonce = iv
        for index in 0..<8 { nonce[Self.ivLength - 1 - index] ^= UInt8(truncatingIfNeeded: sequenceNumber >> (8 * index)) }
        sequenceNumber += 1

        let cipher = EVP_CIPHER_CTX_new()!
        defer { EVP_CIPHER_CTX_free(cipher) }
        var sealed = [UInt8](repeating: 0, count: plaintext.count)
        var tag = [UInt8](repeating: 0, count: Self.tagLength)
        var count: CInt = 0
        let isSealed =
            EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), nil, key, nonce) == 1
            && EVP_EncryptUpdate(cipher, nil, &count, header, CInt(header.count)) == 1
            && EVP_EncryptUpdate(cipher, &sealed, &count, plaintext, CInt(plaintext.count)) == 1
            && EVP_EncryptFinal_ex(cipher, nil, &count) == 1
            && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, CInt(tag.count), &tag) == 1
        precondition(isSealed, "OpenSSL does not encrypt a record")
        return header + sealed + tag
    }

    /// Changes to the next keys. A client does this after a record that completes a KeyUpdate (RFC 8446, 7.2).
    package mutating func updateKeys() {
        self = RecordSealer(secret: Self.expand(secret, label: "traffic upd", count: secret.count))
    }

    /// HKDF-Expand-Label with SHA-256 and an empty context (RFC 8446, 7.1), for at most 32 bytes.
    private static func expand(_ secret: [UInt8], label: String, count: Int) -> [UInt8] {
        let label = Array("tls13 \(label)".utf8)
        // The last two bytes: the length of the context, and the number of the block (RFC 5869, 2.3).
        let info = [0, UInt8(count), UInt8(label.count)] + label + [0, 1]
        var block = [UInt8](repeating: 0, count: 32)
        precondition(HMAC(EVP_sha256(), secret, CInt(secret.count), info, info.count, &block, nil) != nil)
        return Array(block.prefix(count))
    }
}

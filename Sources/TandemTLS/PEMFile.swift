internal import COpenSSL
internal import Glibc

/// The reader of certificates and keys. Its errors name the file.
enum PEMFile {
    // The largest file that is read, in bytes. Chains and lists of authorities are smaller.
    private static let most = 4 << 20

    /// Returns the certificates in a file, at least one, and the file's bytes. The caller frees the certificates.
    static func certificates(_ path: String) throws(TLSError) -> (all: [OpaquePointer], bytes: [UInt8]) {
        let bytes = try read(path)
        var certificates: [OpaquePointer] = []
        OpenSSLErrors.clear()
        with(bytes) { bio in
            while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) { certificates.append(certificate) }
        }
        let error = OpenSSLErrors.take()
        guard !certificates.isEmpty, isEndOfFile(error.code) else {
            for certificate in certificates { X509_free(certificate) }
            let what = isEndOfFile(error.code) ? "it has no \"BEGIN CERTIFICATE\"" : error.reason
            throw TLSError(
                .malformedFile, "\(path) is not a PEM file of certificates: \(what)", file: path)
        }
        return (certificates, bytes)
    }

    /// Returns the private key in a file; the caller frees it.
    static func privateKey(_ path: String) throws(TLSError) -> OpaquePointer {
        let bytes = try read(path)
        var wasAsked = false
        OpenSSLErrors.clear()
        let key = withUnsafeMutablePointer(to: &wasAsked) { wasAsked in
            with(bytes) { bio in
                // Without a callback OpenSSL would ask on the terminal.
                PEM_read_bio_PrivateKey(
                    bio, nil,
                    { _, _, _, wasAsked in
                        wasAsked!.assumingMemoryBound(to: Bool.self).pointee = true
                        return -1
                    }, wasAsked)
            }
        }
        if let key { return key }
        let error = OpenSSLErrors.take()
        if wasAsked {
            throw TLSError(
                .encryptedKey,
                "the private key in \(path) is encrypted: decrypt it (openssl pkey -in \(path)), and guard the file by its permissions",
                file: path)
        }
        let what = isEndOfFile(error.code) ? "it has no \"BEGIN PRIVATE KEY\"" : error.reason
        throw TLSError(.malformedFile, "\(path) is not a PEM file of a private key: \(what)", file: path)
    }

    /// Returns whether the error is "no start line", with which OpenSSL reports that a file has no further entry.
    private static func isEndOfFile(_ error: UInt) -> Bool {
        tandem_error_library(error) == ERR_LIB_PEM && tandem_error_reason(error) == PEM_R_NO_START_LINE
    }

    private static func with<Result>(_ bytes: [UInt8], _ body: (OpaquePointer?) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            let bio = BIO_new_mem_buf(bytes.baseAddress, CInt(bytes.count))
            defer { BIO_free(bio) }
            return body(bio)
        }
    }

    private static func read(_ path: String) throws(TLSError) -> [UInt8] {
        // Non-blocking, so that opening a pipe does not wait for its writer.
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { throw unreadable(path, errno) }
        defer { close(fd) }
        var bytes: [UInt8] = []
        while bytes.count <= most {
            let got = withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { buffer in
                let got = Glibc.read(fd, buffer.baseAddress, buffer.count)
                if got > 0 { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<got])) }
                return got
            }
            if got == 0 { return bytes }
            guard got > 0 || errno == EINTR else { throw unreadable(path, errno) }
        }
        throw TLSError(
            .malformedFile, "\(path) is larger than \(most) bytes, too large for a PEM file of certificates or a key", file: path)
    }

    private static func unreadable(_ path: String, _ error: CInt) -> TLSError {
        let what = error == ENOENT ? "does not exist" : "cannot be read: \(String(cString: strerror(error)))"
        return TLSError(.unreadableFile, "\(path) \(what)", file: path, errno: error)
    }
}

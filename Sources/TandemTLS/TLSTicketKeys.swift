internal import COpenSSL
internal import Synchronization

/// The keys that encrypt session tickets (RFC 5077, RFC 8446 section 4.6.1). A server keeps them through a reload, so that
/// clients can resume their sessions afterwards.
// @unchecked: `algorithm` never changes, and OpenSSL shares it between threads.
package final class TLSTicketKeys: @unchecked Sendable {
    /// The time in seconds for which a session can be resumed, and for which a key encrypts new tickets. An hour: an attacker
    /// who steals the keys can read TLS 1.2 sessions of at most two hours, and a client that returns later can afford a full
    /// handshake.
    static let lifetime = 3_600

    /// One key. Each ticket contains the name of its key.
    struct Key {
        static let nameLength = 16
        let name: [UInt8]
        let cipher: [UInt8]
        let mac: [UInt8]
        let made: ContinuousClock.Instant

        init(made: ContinuousClock.Instant) {
            (name, cipher, mac) = (random(Key.nameLength), random(32), random(32))
            self.made = made
        }
    }

    /// AES-256-CBC. It is fetched once, because OpenSSL would otherwise fetch it for each ticket.
    let algorithm = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)

    package init() {}

    deinit { EVP_CIPHER_free(algorithm) }

    // The newest first; at most two.
    private let keys = Mutex<[Key]>([])

    /// Returns the key for new tickets, which is at most an hour old.
    func current(now: ContinuousClock.Instant = .now) -> Key {
        keys.withLock { keys in
            if let first = keys.first, first.made.duration(to: now) < .seconds(TLSTicketKeys.lifetime) { return first }
            let key = Key(made: now)
            keys = [key] + keys.prefix(1)
            return key
        }
    }

    /// Returns the key with this name, and whether a newer key has replaced it for new tickets. Returns nil if the name is
    /// unknown or the key has expired.
    func named(_ name: UnsafeBufferPointer<UInt8>, now: ContinuousClock.Instant = .now) -> (key: Key, isOld: Bool)? {
        let current = current(now: now)
        return keys.withLock { keys in
            guard let key = keys.first(where: { $0.name.elementsEqual(name) }),
                key.made.duration(to: now) < .seconds(2 * TLSTicketKeys.lifetime)
            else { return nil }
            return (key, key.name != current.name)
        }
    }
}

/// Returns cryptographically secure random bytes.
private func random(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    // OpenSSL's generator seeds itself from the kernel; without it there is no TLS at all.
    precondition(RAND_bytes(&bytes, CInt(count)) == 1, "OpenSSL has no random bytes")
    return bytes
}

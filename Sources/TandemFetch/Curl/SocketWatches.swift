internal import CCurl
package import Tandem

/// The sockets that the hub watches for libcurl, level-triggered, by their descriptors.
///
/// libcurl opens and closes the sockets. It may close a descriptor and open it again between two calls.
package struct SocketWatches {
    private var watches: [CInt: Descriptor] = [:]
    private let ready: (CInt, CInt) -> Void

    /// Creates an empty set. `ready` is called on the hub's own stack, with the descriptor and `CURL_CSELECT_*`.
    package init(ready: @escaping (_ fd: CInt, _ events: CInt) -> Void) { self.ready = ready }

    /// The number of watched sockets.
    package var count: Int { watches.count }

    /// Watches `fd` for these events, in place of any earlier ones. Throws `TandemError` if the kernel refuses.
    package mutating func watch(_ fd: CInt, for events: Descriptor.WatchEvents) throws(TandemError) {
        if let watched = watches[fd] {
            do throws(TandemError) {
                return try watched.watch(for: events)
            } catch {
                // The kernel does not know the old registration: libcurl has closed and reopened the number. Watch the new
                // socket.
                remove(fd)
            }
        }
        let ready = ready
        watches[fd] = try Descriptor(watching: fd, for: events) { ready(fd, $0.curlSelect) }
    }

    /// Stops watching `fd`. Does nothing if it is not watched, or is closed.
    package mutating func remove(_ fd: CInt) { watches.removeValue(forKey: fd)?.stopWatching() }

    /// Stops watching all sockets.
    package mutating func removeAll() {
        for watched in watches.values { watched.stopWatching() }
        watches = [:]
    }
}

extension Descriptor.WatchEvents {
    /// Creates the events for libcurl's `CURL_POLL_*`.
    init(polling what: CInt) {
        self = []
        if what & CURL_POLL_IN != 0 { insert(.readable) }
        if what & CURL_POLL_OUT != 0 { insert(.writable) }
    }

    /// The events as `CURL_CSELECT_*`, for `curl_multi_socket_action`.
    var curlSelect: CInt {
        (contains(.readable) ? CURL_CSELECT_IN : 0) | (contains(.writable) ? CURL_CSELECT_OUT : 0)
            | (contains(.failed) ? CURL_CSELECT_ERR : 0)
    }
}

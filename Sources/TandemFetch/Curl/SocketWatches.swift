internal import CCurl
package import Tandem

/// libcurl's sockets, as the hub watches them: level-triggered, under libcurl's own numbers.
///
/// libcurl opens and closes them; a number may be closed and opened again between two calls.
package struct SocketWatches {
    private var watches: [CInt: Descriptor] = [:]
    private let ready: (CInt, CInt) -> Void

    /// `ready` is called on the hub's own stack with the number and `CURL_CSELECT_*`.
    package init(ready: @escaping (_ fd: CInt, _ events: CInt) -> Void) { self.ready = ready }

    package var count: Int { watches.count }

    /// Watches `fd` for these events from now on, and for no others.
    package mutating func watch(_ fd: CInt, for events: Descriptor.WatchEvents) throws(TandemError) {
        if let watched = watches[fd] {
            do throws(TandemError) {
                return try watched.watch(for: events)
            } catch {
                // The kernel does not know it: the number was closed and opened again. Watch the new one.
                remove(fd)
            }
        }
        let ready = ready
        watches[fd] = try Descriptor(watching: fd, for: events) { ready(fd, $0.curlSelect) }
    }

    /// Stops watching `fd`. Harmless when nobody does, or when it is closed.
    package mutating func remove(_ fd: CInt) { watches.removeValue(forKey: fd)?.stopWatching() }

    /// Stops watching all.
    package mutating func removeAll() {
        for watched in watches.values { watched.stopWatching() }
        watches = [:]
    }
}

extension Descriptor.WatchEvents {
    /// What libcurl asks for with `CURL_POLL_*`.
    init(polling what: CInt) {
        self = []
        if what & CURL_POLL_IN != 0 { insert(.readable) }
        if what & CURL_POLL_OUT != 0 { insert(.writable) }
    }

    /// As `CURL_CSELECT_*`, for `curl_multi_socket_action`.
    var curlSelect: CInt {
        (contains(.readable) ? CURL_CSELECT_IN : 0) | (contains(.writable) ? CURL_CSELECT_OUT : 0)
            | (contains(.failed) ? CURL_CSELECT_ERR : 0)
    }
}

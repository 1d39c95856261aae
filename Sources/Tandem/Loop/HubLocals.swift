internal import CTandem

/// A local of a hub that contributes lines to the hub's dump.
package protocol DumpedLocal: AnyObject {
    /// Returns a line per object that the local holds, at most `limit`. Called on the hub's thread.
    func dumpLines(limit: Int) -> [String]
}

/// The objects that libraries keep on a hub, one per class. Must be used on the hub's thread.
final class HubLocals {
    private var values: [ObjectIdentifier: AnyObject] = [:]

    /// Returns the instance of `type`, and creates it with `make` on first use.
    func value<Value: AnyObject>(of type: Value.Type, make: () throws -> Value) rethrows -> Value {
        if let value = values[ObjectIdentifier(type)] { return unsafeDowncast(value, to: Value.self) }
        // Unmodified blocking code in `make` must not park: another green thread would make a second instance meanwhile.
        let fiber = tandem_current_fiber()
        fiber?.pointee.unpatched += 1
        defer { fiber?.pointee.unpatched -= 1 }
        let value = try make()
        values[ObjectIdentifier(type)] = value
        return value
    }

    /// The lines that the objects contribute to a dump.
    func dumpLines(limit: Int) -> [String] {
        values.values.flatMap { ($0 as? any DumpedLocal)?.dumpLines(limit: limit) ?? [] }
    }

    /// Drops all objects.
    func drop() {
        while !values.isEmpty {
            // Cleared before they are released: a deinit may ask for another local.
            let dropped = values
            values = [:]
            withExtendedLifetime(dropped) {}
        }
    }
}

extension Hub {
    /// Returns this hub's instance of `type`, and creates it with `make` on first use. The hub drops it on its own thread when it
    /// stops. Must be called on the hub's thread.
    ///
    /// - Parameters:
    ///   - type: The class of the instance; a hub has at most one instance per class.
    ///   - make: Creates the instance.
    /// - Throws: The error that `make` throws.
    public func local<Value: AnyObject>(_ type: Value.Type, make: () throws -> Value) rethrows -> Value {
        preconditionOnThread()
        return try locals.value(of: type, make: make)
    }
}

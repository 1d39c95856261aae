internal import Synchronization

/// A reference that is stored once and read from any thread. It replaces `AtomicLazyReference`, which is not specialized and
/// costs 750 instructions per load.
struct OnceReference<Object: AnyObject & Sendable>: ~Copyable, Sendable {
    /// The address of a retained object; 0 for none.
    private let bits: Atomic<UInt>

    init(_ object: Object? = nil) {
        bits = Atomic(object.map { UInt(bitPattern: Unmanaged.passRetained($0).toOpaque()) } ?? 0)
    }

    deinit { reference?.release() }

    private var reference: Unmanaged<Object>? {
        UnsafeRawPointer(bitPattern: bits.load(ordering: .acquiring)).map(Unmanaged.fromOpaque)
    }

    /// The stored object, or nil.
    var object: Object? { reference?.takeUnretainedValue() }

    /// Stores an object, unless there is one already. Returns the stored object.
    @discardableResult
    func store(_ object: Object) -> Object {
        let new = Unmanaged.passRetained(object)
        let bits = UInt(bitPattern: new.toOpaque())
        guard !self.bits.compareExchange(expected: 0, desired: bits, ordering: .acquiringAndReleasing).exchanged else {
            return object
        }
        new.release()
        return self.object!
    }
}

/// A reference that one thread puts down and another may take, once.
struct ReferenceSlot<Object: AnyObject & Sendable>: ~Copyable, Sendable {
    /// The address of a retained object; 0 for none.
    private let bits = Atomic<UInt>(0)

    deinit { _ = exchange(nil) }

    /// Stores an object, or nil. Returns what was stored before.
    @discardableResult
    func exchange(_ object: Object?) -> Object? {
        let new = object.map { UInt(bitPattern: Unmanaged.passRetained($0).toOpaque()) } ?? 0
        let old = bits.exchange(new, ordering: .acquiringAndReleasing)
        return UnsafeRawPointer(bitPattern: old).map { Unmanaged<Object>.fromOpaque($0).takeRetainedValue() }
    }
}

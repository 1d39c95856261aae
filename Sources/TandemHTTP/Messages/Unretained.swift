/// A reference that does not retain its object; its user guarantees that something else keeps the object alive for longer. A
/// call through it needs no reference counting, while a call through a `var`, an `unowned(unsafe)` property or an array element
/// retains and releases the object.
struct Unretained<Object: AnyObject>: Equatable {
    private let reference: Unmanaged<Object>

    init(_ object: Object) { reference = .passUnretained(object) }

    /// Calls `body` with the object.
    @inline(__always)
    func callAsFunction<Result>(_ body: (Object) -> Result) -> Result { reference._withUnsafeGuaranteedRef(body) }

    /// The object, retained.
    var object: Object { reference.takeUnretainedValue() }

    static func == (left: Unretained, right: Unretained) -> Bool { left.reference.toOpaque() == right.reference.toOpaque() }
}

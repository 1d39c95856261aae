/// The name of a green thread or task, for messages. The text is never freed, so a crash handler can read it.
public struct GreenThreadName: Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    // A C string that is never freed.
    nonisolated(unsafe) let pointer: UnsafePointer<CChar>

    /// Creates a name from a literal, without copying it.
    public init(stringLiteral value: StaticString) {
        pointer = UnsafeRawPointer(value.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    /// Copies the text and never frees the copy. Use this for names that are created once, such as a route's, not per request.
    public init(permanent text: String) {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.utf8.count + 1)
        for (index, byte) in text.utf8.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[text.utf8.count] = 0
        pointer = UnsafePointer(copy)
    }

    init(_ pointer: UnsafePointer<CChar>) { self.pointer = pointer }

    /// The name as a string.
    public var description: String { String(cString: pointer) }
}

/// Who runs on a green stack, for messages. A string that lives as long as the process, so that a crash handler may
/// read it.
public struct GreenThreadName: Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    // A C string that is never freed.
    nonisolated(unsafe) let pointer: UnsafePointer<CChar>

    /// A literal costs nothing.
    public init(stringLiteral value: StaticString) {
        pointer = UnsafeRawPointer(value.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    /// Copies the text and keeps the copy for ever: for names made once, such as a route's, not once a request.
    public init(permanent text: String) {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.utf8.count + 1)
        for (index, byte) in text.utf8.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[text.utf8.count] = 0
        pointer = UnsafePointer(copy)
    }

    init(_ pointer: UnsafePointer<CChar>) { self.pointer = pointer }

    /// The name.
    public var description: String { String(cString: pointer) }
}

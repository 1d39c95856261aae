internal import Synchronization

/// The name of a green thread or task, for messages. The text is never freed, so a crash handler can read it.
public struct GreenThreadName: Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    // A C string that is never freed.
    nonisolated(unsafe) package let pointer: UnsafePointer<CChar>

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

    /// Returns the name with this text. Equal texts have one copy, which is never freed. There are at most 1,024 such names: further
    /// texts become "others". Any thread.
    package static func interned(_ text: String) -> GreenThreadName {
        names.withLock { names in
            if let known = names[text] { return known }
            guard names.count < 1_024 else { return "others" }
            let name = GreenThreadName(permanent: text)
            names[text] = name
            return name
        }
    }

    private static let names = Mutex<[String: GreenThreadName]>([:])

    /// The name as a string.
    public var description: String { String(cString: pointer) }
}

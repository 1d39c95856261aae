/// An event of Chrome's trace format (Trace Event Format, "JSON Object Format"), which Perfetto opens.
struct TraceEvent: Sendable {
    /// The letter that says what the event is.
    enum Phase: String {
        case complete = "X"
        case begin = "b"
        case end = "e"
        case instant = "i"
        case flowStart = "s"
        case flowEnd = "f"
        case metadata = "M"
    }

    /// The category of an event, for filters and colors.
    enum Category: String {
        case none = ""
        case idle, turn, async, blocking, request, fetch, wait, bridge, flow, stall
    }

    /// What the viewers show beside an event. An enum, because a trace has some hundred thousand events.
    enum Detail {
        case none
        case text(StaticString, String)
        case number(StaticString, Int)
        case wait(task: String?, descriptor: CInt)
        case slice(stack: Int, then: StaticString)
        /// The event was cut at an end of the window.
        case cut
    }

    let phase: Phase
    let name: String
    let category: Category
    /// The time in nanoseconds since the start of the trace.
    let time: UInt64
    /// The kernel's id of the thread.
    let thread: Int32
    /// How many slices enclose a slice at most. Of slices with the same time and length the one with the lower depth encloses the other.
    var depth: UInt8 = 0
    /// The length of a complete event in nanoseconds.
    var length: UInt64 = 0
    /// The identifier that a begin and its end share, or the two ends of a flow; 0 for none.
    var id: UInt64 = 0
    var detail = Detail.none

    /// The maximum length of a name in bytes of UTF-8.
    static let longestName = 128

    /// Appends the event as a JSON object.
    func write(to output: inout [UInt8], process: Int) {
        output += #"{"ph":""#.utf8
        output += phase.rawValue.utf8
        output += #"","name":"#.utf8
        LogText.appendQuoted(Self.shortened(name), to: &output)
        if category != .none { output += #","cat":"\#(category.rawValue)""#.utf8 }
        output += #","pid":\#(process),"tid":\#(thread),"ts":"#.utf8
        Self.append(microseconds: time, to: &output)
        if phase == .complete {
            output += #","dur":"#.utf8
            Self.append(microseconds: length, to: &output)
        }
        if id != 0 {
            // Chrome joins pairs by category and id, Perfetto by name and id.
            output += phase == .begin || phase == .end ? #","id2":{"local":"\#(id)"}"#.utf8 : #","id":"\#(id)""#.utf8
        }
        if phase == .flowEnd { output += #","bp":"e""#.utf8 }
        if phase == .instant { output += #","s":"t""#.utf8 }
        if let members = arguments {
            output += #","args":"#.utf8
            output += JSON.object(members).bytes
        }
        output.append(UInt8(ascii: "}"))
    }

    private var arguments: [JSON.Member]? {
        switch detail {
        case .none: nil
        case .text(let name, let value): [.init(name: "\(name)", value: .string(value))]
        case .number(let name, let value): [.init(name: "\(name)", value: .integer(value))]
        case .slice(let stack, let then):
            [.init(name: "stack", value: .integer(stack)), .init(name: "then", value: .string("\(then)"))]
        case .cut: [.init(name: "cut", value: .boolean(true))]
        case .wait(let task, let descriptor):
            (task.map { [JSON.Member(name: "task", value: .string($0))] } ?? [])
                + (descriptor >= 0 ? [.init(name: "descriptor", value: .integer(Int(descriptor)))] : [])
        }
    }

    /// Appends nanoseconds as microseconds with three decimals.
    private static func append(microseconds nanoseconds: UInt64, to output: inout [UInt8]) {
        output += String(nanoseconds / 1_000).utf8
        output.append(UInt8(ascii: "."))
        let rest = nanoseconds % 1_000
        output.append(UInt8(ascii: "0") + UInt8(rest / 100))
        output.append(UInt8(ascii: "0") + UInt8(rest / 10 % 10))
        output.append(UInt8(ascii: "0") + UInt8(rest % 10))
    }

    /// Returns a name of at most `longestName` bytes. It does not cut within a character.
    private static func shortened(_ name: String) -> String {
        guard name.utf8.count > longestName else { return name }
        var size = 3
        return String(
            name.prefix {
                size += $0.utf8.count; return size <= longestName
            }) + "..."
    }
}

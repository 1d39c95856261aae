/// An event of Chrome's trace format (Trace Event Format, "JSON Object Format"), which Perfetto and chrome://tracing open.
struct TraceEvent {
    /// The letter that says what the event is.
    enum Phase: String {
        case complete = "X"
        case begin = "b"
        case end = "e"
        case instant = "i"
        case flowStart = "s"
        case flowEnd = "f"
        case counter = "C"
        case metadata = "M"
    }

    let phase: Phase
    let name: String
    let category: String
    /// The time in nanoseconds since the start of the trace.
    let time: UInt64
    /// The kernel's id of the thread.
    let thread: Int
    /// The length of a complete event in nanoseconds.
    var length: UInt64 = 0
    /// What joins the events of a pair or a flow.
    var id: UInt64?
    var arguments: [JSON.Member] = []

    /// The maximum length of a name in bytes of UTF-8.
    static let longestName = 128

    /// Appends the event as a JSON object.
    func write(to output: inout [UInt8], process: Int) {
        output += #"{"ph":""#.utf8
        output += phase.rawValue.utf8
        output += #"","name":"#.utf8
        LogText.appendQuoted(Self.shortened(name), to: &output)
        if !category.isEmpty {
            output += #","cat":"#.utf8
            LogText.appendQuoted(category, to: &output)
        }
        output += #","pid":\#(process),"tid":\#(thread),"ts":"#.utf8
        Self.append(microseconds: time, to: &output)
        if phase == .complete {
            output += #","dur":"#.utf8
            Self.append(microseconds: length, to: &output)
        }
        if let id {
            // Chrome joins pairs by category and id, Perfetto by name and id.
            output += phase == .begin || phase == .end ? #","id2":{"local":"\#(id)"}"#.utf8 : #","id":"\#(id)""#.utf8
        }
        if phase == .flowEnd { output += #","bp":"e""#.utf8 }
        if phase == .instant { output += #","s":"t""#.utf8 }
        if !arguments.isEmpty {
            output += #","args":"#.utf8
            output += JSON.object(arguments).bytes
        }
        output.append(UInt8(ascii: "}"))
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

    private static func shortened(_ name: String) -> String {
        guard name.utf8.count > longestName else { return name }
        return String(decoding: name.utf8.prefix(longestName - 3), as: UTF8.self) + "..."
    }
}

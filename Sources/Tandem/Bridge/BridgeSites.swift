internal import CTandem

/// A place in the code where one style calls the other, and how often it has done so on one hub: an entry of `Hub.bridgeSites`.
public struct BridgeSite: Hashable, Sendable {
    /// The direction of a call across a bridge.
    public enum Direction: String, CaseIterable, Sendable {
        /// `awaiting`: blocking code calls async code.
        case toAsync = "to async"
        /// `blocking`: async code calls blocking code.
        case toBlocking = "to blocking"
    }

    /// The direction of the calls.
    public let direction: Direction
    /// The file of the call, as `#fileID` gives it: module and file name.
    public let file: String
    /// The line of the call.
    public let line: Int
    /// The name of the green thread: of the one that called async code, which in a blocking handler of `TandemHTTP` is the route, or
    /// of the one that the call of blocking code made.
    public let greenThread: String
    /// The number of calls since the hub began.
    public var calls: UInt64

    /// Whether this site comes before another in a list: the one that was called more often comes first.
    package func precedes(_ other: BridgeSite) -> Bool {
        if calls != other.calls { return calls > other.calls }
        return (file, line, direction.rawValue, greenThread) < (
            other.file, other.line, other.direction.rawValue, other.greenThread
        )
    }
}

/// The calls across both bridges on one hub, by call site and green thread: a table with open addressing. Must be used on the hub's thread.
///
/// A value of this type refers to memory that the hub owns. A count takes some 25 instructions.
struct BridgeSites {
    /// The maximum number of entries. Names of green threads that are made at run time could be many.
    static let limit = 4_096

    private struct Entry {
        var file: UnsafePointer<UInt8>?
        var line: UInt32 = 0
        var isToAsync = false
        var greenThread: UnsafePointer<CChar>?
        var calls: UInt64 = 0
    }

    private struct State {
        var entries: UnsafeMutablePointer<Entry>
        var capacity = 64
        var count = 0
        var isOn = false
    }

    private let state: UnsafeMutablePointer<State>

    /// Creates a table without entries.
    ///
    /// - Parameter isOn: Whether to count. If not, the table stays empty.
    init(isOn: Bool) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(entries: BridgeSites.emptyEntries(64), isOn: isOn))
        if isOn { tandem_count_bridges() }
    }

    func deallocate() {
        state.pointee.entries.deallocate()
        state.deallocate()
    }

    private static func emptyEntries(_ count: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: count)
        entries.initialize(repeating: Entry(), count: count)
        return entries
    }

    /// Counts a call, if the table is on.
    func count(
        _ direction: BridgeSite.Direction, _ file: UnsafePointer<UInt8>, _ line: UInt, _ greenThread: UnsafePointer<CChar>?
    ) {
        guard state.pointee.isOn else { return }
        var key = Entry(file: file, line: UInt32(clamping: line), isToAsync: direction == .toAsync, greenThread: greenThread)
        let entry = slot(for: key)
        if entry.pointee.file == nil {
            guard state.pointee.count < BridgeSites.limit else { return }
            state.pointee.count += 1
            key.calls = 1
            entry.pointee = key
            if state.pointee.count * 2 > state.pointee.capacity { grow() }
        } else {
            entry.pointee.calls += 1
        }
    }

    /// Returns the entry with this key, or the empty entry where it belongs.
    private func slot(for key: Entry) -> UnsafeMutablePointer<Entry> {
        let mask = UInt(state.pointee.capacity - 1)
        let words =
            UInt(bitPattern: key.file) ^ UInt(bitPattern: key.greenThread) << 1 ^ UInt(key.line) << 20 ^ (key.isToAsync ? 1 : 0)
        var index = (words &* 0x9e37_79b9_7f4a_7c15) >> 32 & mask
        while true {
            let entry = state.pointee.entries + Int(index)
            let found = entry.pointee
            if found.file == nil
                || found.file == key.file && found.line == key.line && found.isToAsync == key.isToAsync
                    && found.greenThread == key.greenThread
            {
                return entry
            }
            index = (index + 1) & mask
        }
    }

    private func grow() {
        let (old, count) = (state.pointee.entries, state.pointee.capacity)
        state.pointee.entries = BridgeSites.emptyEntries(count * 2)
        state.pointee.capacity = count * 2
        for index in 0..<count where old[index].file != nil { slot(for: old[index]).pointee = old[index] }
        old.deallocate()
    }

    /// The sites, most called first.
    var all: [BridgeSite] {
        let entries = UnsafeBufferPointer(start: state.pointee.entries, count: state.pointee.capacity).filter { $0.file != nil }
        return entries.map { entry in
            BridgeSite(
                direction: entry.isToAsync ? .toAsync : .toBlocking,
                file: String(cString: UnsafeRawPointer(entry.file!).assumingMemoryBound(to: CChar.self)), line: Int(entry.line),
                greenThread: entry.greenThread.map { String(cString: $0) } ?? "", calls: entry.calls)
        }.sorted { $0.precedes($1) }
    }
}

extension Hub {
    /// Counts and records a call of a bridge, as far as anybody wants to know.
    @inline(never)
    func watchBridge(
        _ direction: BridgeSite.Direction, _ file: UnsafePointer<UInt8>, _ line: UInt, _ greenThread: UnsafePointer<CChar>?
    ) {
        bridges.count(direction, file, line, greenThread)
        guard tandem_is_recording() else { return }
        tandem_record_mark(
            direction == .toAsync ? TANDEM_EVENT_TO_ASYNC : TANDEM_EVENT_TO_BLOCKING, tandem_current_task(),
            UnsafeRawPointer(file).assumingMemoryBound(to: CChar.self), UInt64(line))
    }

    /// The places where one style called the other on this hub, by call site and green thread, most called first. Empty
    /// unless `HubConfiguration.countsBridges` is set. At most 4,096 of them. Must be used on the hub's thread.
    public var bridgeSites: [BridgeSite] {
        preconditionOnThread()
        return bridges.all
    }
}

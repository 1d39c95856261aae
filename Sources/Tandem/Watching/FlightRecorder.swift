internal import CTandem
internal import Glibc

/// The flight recorder of a hub: a ring into which the hub's thread writes what it does, while somebody watches.
///
/// A value of this type refers to memory that the hub owns. Only the hub's thread writes; any thread may read, as long as it holds the
/// hub.
package struct FlightRecorder: @unchecked Sendable {
    // @unchecked: the ring has one writer, the hub's thread, and its words are read and written atomically.
    let ring: UnsafeMutablePointer<tandem_recorder>
    private let isAlwaysOn: Bool

    init(isAlwaysOn: Bool) {
        self.isAlwaysOn = isAlwaysOn
        ring = .allocate(capacity: 1)
        // The kernel provides the memory of the records when the hub first writes them. malloc might use memory that has pages already.
        let records = mmap(nil, Self.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let records, records != MAP_FAILED else { fatalError("no address space for the flight recorder of a hub") }
        ring.initialize(
            to: tandem_recorder(
                records: records.bindMemory(to: tandem_record.self, capacity: Self.capacity), written: 0, job: 0, job_began: 0,
                stalls: 0))
        if isAlwaysOn { FlightRecorder.start() }
    }

    func deallocate() {
        if isAlwaysOn { FlightRecorder.stop() }
        munmap(ring.pointee.records, Self.length)
        ring.deallocate()
    }

    /// The number of events that the ring keeps.
    package static let capacity = Int(TANDEM_RECORDS)
    /// The size of a ring in bytes.
    private static let length = capacity * MemoryLayout<tandem_record>.stride

    // MARK: Recording

    /// Starts recording on all hubs of the process. Each call needs a `stop`. Any thread.
    package static func start() {
        FlightClock.prepare()
        tandem_start_recording()
    }

    /// Reverses one call of `start`. Any thread.
    package static func stop() { tandem_stop_recording() }

    /// Whether hubs record. Any thread.
    package static var isRecording: Bool { tandem_is_recording() }

    /// Records an event of the running job on the hub of the calling thread; on no hub does nothing. Call it only if `isRecording`.
    package static func mark(_ event: FlightEvent.Kind, named name: GreenThreadName? = nil, _ detail: UInt64 = 0) {
        tandem_record_mark_of_job(event.rawValue, name?.pointer, detail)
    }

    // MARK: Reading

    /// The number of events that the hub has recorded since it was created.
    package var count: UInt64 { tandem_recorder_written(ring) }

    /// Returns the events from number `position` on, at most `limit`, and moves `position` behind them. `lost` is the number of events
    /// that were overwritten before they could be read.
    package func read(from position: inout UInt64, atMost limit: Int = 16_384) -> (events: [FlightEvent], lost: UInt64) {
        var first: UInt64 = 0
        let start = position
        let events = [FlightEvent](unsafeUninitializedCapacity: limit) { buffer, count in
            count = buffer.withMemoryRebound(to: tandem_record.self) {
                tandem_recorder_read(ring, start, $0.baseAddress!, limit, &first)
            }
        }
        position = first + UInt64(events.count)
        return (events, first - start)
    }

    /// The job that runs now, and the ticks at which it began; nil between jobs. It has no event before its end.
    package var runningJob: (job: UInt64, began: UInt64)? {
        var began: UInt64 = 0
        let job = tandem_recorder_running(ring, &began)
        return job == 0 ? nil : (job, began)
    }
}

/// An event that a hub has recorded: a `tandem_record`, whose comment explains the fields.
package struct FlightEvent: Sendable {
    /// The kind of an event.
    package enum Kind: UInt32, Sendable {
        case poll = 1
        case job, slice, toAsync, toBlocking, wait, task, request, answer, fetch, fetched, stall
    }

    private let record: tandem_record

    /// The time at which the event was recorded, in ticks of `FlightClock`.
    package var ticks: UInt64 { record.ticks }
    /// The beginning: for a job and a slice in ticks, for a poll and a wait in nanoseconds of CLOCK_MONOTONIC.
    package var began: UInt64 { record.began }
    /// The task, or the job.
    package var subject: UInt64 { record.subject }
    package var detail: UInt64 { record.detail }
    /// The descriptor of a wait; -1 for none.
    package var descriptor: CInt { CInt(truncatingIfNeeded: record.event >> 32) }

    /// The kind; nil for a kind that this type does not know.
    package var kind: Kind? { Kind(rawValue: UInt32(truncatingIfNeeded: record.event)) }

    /// The address of the name; 0 without one. Equal addresses are equal names.
    package var nameAddress: UInt64 { record.name }

    /// The name; nil without one.
    package var name: String? {
        UnsafePointer<CChar>(bitPattern: UInt(record.name)).map { String(cString: $0) }
    }
}

/// Converts the ticks of recorded events to nanoseconds of CLOCK_MONOTONIC.
package struct FlightClock: Sendable {
    private let first: tandem_instant
    private let last: tandem_instant

    /// The process's first reading of both clocks.
    private static let start = tandem_instant_now()

    /// Reads both clocks once, so that later conversions have a long base. Any thread.
    fileprivate static func prepare() { _ = start }

    /// Creates a clock from a reading at the first `FlightRecorder.start` and one of now. A few milliseconds after the former the
    /// error is about 10 ns.
    package init() {
        first = Self.start
        last = tandem_instant_now()
    }

    /// Returns the time in nanoseconds of CLOCK_MONOTONIC.
    package func nanoseconds(_ ticks: UInt64) -> UInt64 {
        let (span, time) = (Double(last.ticks &- first.ticks), Double(last.nanoseconds &- first.nanoseconds))
        guard span > 0 else { return last.nanoseconds }
        let distance = Double(Int64(bitPattern: ticks &- last.ticks)) * (time / span)
        return UInt64(max(0, Int64(last.nanoseconds) + Int64(distance.rounded())))
    }

    /// The present time in nanoseconds of CLOCK_MONOTONIC, whichever clock the hub has.
    package static var now: UInt64 { tandem_real_nanoseconds() }
}

extension Hub {
    /// The hub's flight recorder. Any thread.
    package var flightRecorder: FlightRecorder { recorder }

    /// The kernel's id of the hub's thread; 0 before the hub has run. Any thread.
    package var threadID: Int { Int(tandem_pulse_thread_id(pulse)) }

    /// The names of the tasks that the hub has started, by their addresses; of at most 10,000 of them. Must be used on the hub's thread.
    package var taskNames: [UInt64: String] {
        preconditionOnThread()
        return Dictionary(
            uniqueKeysWithValues: tasks.running.prefix(10_000).map {
                (UInt64(UInt(bitPattern: $0.key)), $0.value.name.description)
            })
    }
}

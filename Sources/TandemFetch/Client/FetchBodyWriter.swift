internal import Tandem

// @unchecked: every call first moves to `hub`, and only that hub's thread uses `upload`.
/// The writer of a streamed request body. It is valid until the producer returns. Any thread may call it, one call at a time.
public final class FetchBodyWriter: @unchecked Sendable {
    private let hub: Hub
    private let upload: Upload

    init(_ upload: Upload, on hub: Hub) {
        self.upload = upload
        self.hub = hub
    }

    /// Sends these bytes. Suspends while there is no room for them: 64 KiB may wait to be sent. Does nothing for an empty array.
    ///
    /// - Throws: `FetchError`: `closed` if the exchange is over, `badRequest` for more bytes than were announced;
    ///   `CancellationError`.
    public func write(_ bytes: [UInt8]) async throws {
        if hub.isCurrent, hub.mustGiveWay { await hub.giveWay() }
        guard hub.isCurrent else { return try await run(on: hub) { try await self.write(bytes) } }
        while try !upload.take(bytes) { try await upload.room.park() }
        hub.charge(bytes: bytes.count)
    }

    /// Sends these bytes. Parks the green thread while there is no room for them. Throws as the async form, and `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func write(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        guard hub.isCurrent, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.write(bytes) }
        }
        if hub.mustGiveWay { hub.giveWay() }
        while try !upload.take(bytes) { try upload.room.park(file: file, line: line) }
        hub.charge(bytes: bytes.count)
    }
}

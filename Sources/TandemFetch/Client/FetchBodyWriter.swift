internal import Tandem

// @unchecked: `upload` is used on `hub`'s thread alone, where every call goes first.
/// Takes what a producer writes of a request's body. Valid until the producer returns; one caller at a time.
public final class FetchBodyWriter: @unchecked Sendable {
    private let hub: Hub
    private let upload: Upload

    init(_ upload: Upload, on hub: Hub) {
        self.upload = upload
        self.hub = hub
    }

    /// Sends these bytes; suspends while 64 KiB wait to be sent. No bytes do nothing.
    ///
    /// Throws `FetchError` `closed` when the exchange is over, `badRequest` for more bytes than were announced;
    /// `CancellationError`.
    public func write(_ bytes: [UInt8]) async throws {
        if hub.isCurrent, hub.mustGiveWay { await hub.giveWay() }
        guard hub.isCurrent else { return try await run(on: hub) { try await self.write(bytes) } }
        while try !upload.take(bytes) { try await upload.room.park() }
        hub.charge(bytes: bytes.count)
    }

    /// Sends these bytes; parks the green thread while 64 KiB wait to be sent. As the async form, and throws `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func write(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        guard hub.isCurrent, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.write(bytes) }
        }
        if hub.mustGiveWay { hub.giveWay() }
        while try !upload.take(bytes) { try upload.room.park(file: file, line: line) }
        hub.charge(bytes: bytes.count)
    }
}

internal import Testing

@testable internal import TandemTLS

struct TLSTicketKeysTests {
    @Test
    func `ticket keys change every hour, and expire after two`() throws {
        let keys = TLSTicketKeys()
        let start = ContinuousClock.now
        let first = keys.current(now: start)
        #expect(first.name != TLSTicketKeys().current().name)
        #expect(keys.current(now: start + .seconds(3_599)).name == first.name)
        let second = keys.current(now: start + .seconds(3_600))
        #expect(second.name != first.name)
        func isKnown(_ key: TLSTicketKeys.Key, after seconds: Int) -> Bool? {
            key.name.withUnsafeBufferPointer { keys.named($0, now: start + .seconds(seconds))?.isOld }
        }
        #expect(isKnown(first, after: 3_601) == true)
        #expect(isKnown(second, after: 3_601) == false)
        #expect(isKnown(first, after: 7_199) == true)
        #expect(isKnown(first, after: 7_200) == nil)
        #expect(isKnown(second, after: 7_200) == true)
        #expect(isKnown(second, after: 10_800) == nil)
    }
}

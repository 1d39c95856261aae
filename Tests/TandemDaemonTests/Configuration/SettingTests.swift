import Testing

@testable import TandemDaemon

struct SettingTests {
    @Test func `the range of a number may be negative`() {
        let setting = Setting.integer("sign.offset", default: -5, in: -10...10, note: "The offset.")
        #expect(["-10", "-1", "0", "10"].allSatisfy { setting.canonical($0) == $0 })
        #expect(["-11", "11", "+1", "01", "-0", " 1", "1_0", "0x1", "٣", ""].allSatisfy { setting.canonical($0) == nil })
    }
}

import HTTPWire
import Testing

struct HTTPDateTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (-62_135_596_800, "Mon, 01 Jan 0001 00:00:00 GMT"),
        (.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (.min, "Mon, 01 Jan 0001 00:00:00 GMT"),
    ])
    func `known dates are formatted correctly`(seconds: Int, text: String) {
        #expect(HTTPDate(unixSeconds: seconds).description == text)
    }

    @Test func `every day of four centuries follows its predecessor`() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        var (year, month, day) = (1970, 0, 1)
        for number in 0..<146_097 {
            let date = "\(weekdays[number % 7]), \(day < 10 ? "0" : "")\(day) \(months[month]) \(year) 12:34:56 GMT"
            let formatted = HTTPDate(unixSeconds: number * 86_400 + 45_296).description
            if formatted != date {
                Issue.record("\(formatted) is not \(date)")
                return
            }
            day += 1
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            if day > lengths[month] + (month == 1 && isLeap ? 1 : 0) { (month, day) = (month + 1, 1) }
            if month == 12 { (year, month) = (year + 1, 0) }
        }
    }

    @Test func `dates within the same second are equal`() {
        #expect(HTTPDate(unixSeconds: 1) == HTTPDate(unixSeconds: 1))
        #expect(HTTPDate(unixSeconds: 1) != HTTPDate(unixSeconds: 2))
        #expect(Set([HTTPDate(unixSeconds: 1), HTTPDate(unixSeconds: 1)]).count == 1)
    }
}

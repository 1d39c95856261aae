/// A date in the format of HTTP (IMF-fixdate, RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, always 29 bytes.
///
/// The initializer formats the text, without locale or system calls. A server can create one instance per second and use it for
/// all responses of that second.
public struct HTTPDate: Sendable, Hashable, CustomStringConvertible {
    /// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
    public let unixSeconds: Int

    /// The `Date` field line of a response, with its CRLF.
    let fieldLine: InlineArray<37, UInt8>

    /// Creates a date from seconds since 1970-01-01 00:00:00 UTC. The year has four digits, so a time before year 1 becomes the
    /// first second of year 1, and a time after year 9999 becomes the last second of year 9999.
    public init(unixSeconds: Int) {
        let seconds = min(max(unixSeconds, -62_135_596_800), 253_402_300_799)
        let (days, time) = seconds.flooredDivision(by: 86_400)
        let (year, month, day) = Self.date(ofDay: days)
        // Day 0 was a Thursday.
        let weekday = (days + 4).flooredDivision(by: 7).remainder

        var text = InlineArray<37, UInt8>(repeating: .space)
        Self.put("Date:", from: 0, count: 5, at: 0, of: &text)
        Self.put("Sun,Mon,Tue,Wed,Thu,Fri,Sat,", from: weekday * 4, count: 4, at: 6, of: &text)
        Self.put(day, digits: 2, at: 11, of: &text)
        Self.put("JanFebMarAprMayJunJulAugSepOctNovDec", from: (month - 1) * 3, count: 3, at: 14, of: &text)
        Self.put(year, digits: 4, at: 18, of: &text)
        Self.put(time / 3_600, digits: 2, at: 23, of: &text)
        Self.put("::", from: 0, count: 1, at: 25, of: &text)
        Self.put(time / 60 % 60, digits: 2, at: 26, of: &text)
        Self.put("::", from: 0, count: 1, at: 28, of: &text)
        Self.put(time % 60, digits: 2, at: 29, of: &text)
        Self.put("GMT", from: 0, count: 3, at: 32, of: &text)
        text[35] = .carriageReturn
        text[36] = .lineFeed
        self.unixSeconds = seconds
        fieldLine = text
    }

    /// The date as 29 characters, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    public var description: String {
        fieldLine.span.extracting(6..<35).text
    }

    /// Returns whether two dates are the same second.
    public static func == (left: HTTPDate, right: HTTPDate) -> Bool {
        left.unixSeconds == right.unixSeconds
    }

    /// Hashes the second.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(unixSeconds)
    }

    /// Returns the date in the Gregorian calendar of a day counted from 1970-01-01.
    ///
    /// The calculation starts years in March, so that a leap day is the last day of its year, and counts in eras of 400 years,
    /// which all have the same number of days.
    private static func date(ofDay day: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = (day + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // From March on, the lengths of the months repeat as 31, 30, 31, 30, 31 days: 153 days in five months.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func put(_ number: Int, digits: Int, at index: Int, of text: inout InlineArray<37, UInt8>) {
        var rest = number
        for digit in stride(from: index + digits - 1, through: index, by: -1) {
            text[digit] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    private static func put(
        _ names: String, from start: Int, count: Int, at index: Int, of text: inout InlineArray<37, UInt8>
    ) {
        let names = names.utf8.span
        for offset in 0..<count { text[index + offset] = names[start + offset] }
    }
}

extension Int {
    /// Returns the quotient rounded down, and the remainder, which is never negative.
    fileprivate func flooredDivision(by divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

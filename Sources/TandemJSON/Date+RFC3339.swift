internal import FoundationEssentials

// Dates as RFC 3339 writes them, the profile of ISO 8601 for the Internet. The styles of Foundation also accept 30 February and
// text after the date.

extension Date {
    /// Parses `2026-01-31T12:00:00Z`, with any number of digits after the second and any offset from UTC. Returns nil for other
    /// text and for dates that do not exist. A leap second is the first of the next minute.
    init?(rfc3339 text: String) {
        var rest = text.utf8[...]
        guard let year = rest.takeNumber(4), rest.take("-"), let month = rest.takeNumber(2), rest.take("-"),
            let day = rest.takeNumber(2), rest.take("T", "t"),
            let hour = rest.takeNumber(2), rest.take(":"), let minute = rest.takeNumber(2), rest.take(":"),
            let second = rest.takeNumber(2),
            1...12 ~= month, day >= 1, day <= daysInMonth(month, year), hour < 24, minute < 60, second <= 60
        else { return nil }
        var fraction = 0.0
        if rest.take(".") {
            let digits = rest.prefix { $0 &- UInt8(ascii: "0") <= 9 }
            guard !digits.isEmpty, let value = Double("0." + String(Substring(digits.prefix(18)))) else { return nil }
            fraction = value
            rest = rest[digits.endIndex...]
        }
        var offset = 0
        if !rest.take("Z", "z") {
            let isBehind = rest.first == UInt8(ascii: "-")
            guard rest.take("+", "-"), let hours = rest.takeNumber(2), rest.take(":"), let minutes = rest.takeNumber(2),
                hours < 24,
                minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (isBehind ? -60 : 60)
        }
        guard rest.isEmpty else { return nil }
        let seconds = dayNumber(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        self.init(timeIntervalSince1970: Double(seconds) + fraction)
        // Within the years that can be written, also after the offset and the fraction.
        guard rfc3339 != nil else { return nil }
    }

    /// The text in UTC, with milliseconds unless these are 0. Nil beyond the years 0 to 9999.
    var rfc3339: String? {
        let milliseconds = (timeIntervalSince1970 * 1_000).rounded()
        guard -62_167_219_200_000...253_402_300_799_999 ~= milliseconds else { return nil }
        let (days, time) = Int(milliseconds).flooredDivision(by: 86_400_000)
        let (year, month, day) = calendarDate(days)
        let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
        let seconds = time / 1_000
        let clock = "\(digits(seconds / 3_600, 2)):\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2))"
        return "\(date)T\(clock)\(time % 1_000 == 0 ? "" : "." + digits(time % 1_000, 3))Z"
    }
}

private func digits(_ number: Int, _ count: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
}

private func daysInMonth(_ month: Int, _ year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// The number of a day in the Gregorian calendar, counted from 1970-01-01. Years are counted from March, so that a leap day is
/// the last of its year, in eras of 400 years, which are all alike.
private func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let (era, yearOfEra) = (month <= 2 ? year - 1 : year).flooredDivision(by: 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/// The inverse of `dayNumber`.
private func calendarDate(_ number: Int) -> (year: Int, month: Int, day: Int) {
    let (era, dayOfEra) = (number + 719_468).flooredDivision(by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
}

extension Int {
    fileprivate func flooredDivision(by divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension Substring.UTF8View {
    /// Removes and returns a number of exactly `count` digits, or returns nil.
    fileprivate mutating func takeNumber(_ count: Int) -> Int? {
        var number = 0
        for _ in 0..<count {
            guard let byte = popFirst(), byte &- UInt8(ascii: "0") <= 9 else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }

    fileprivate mutating func take(_ characters: Unicode.Scalar...) -> Bool {
        guard let first, characters.contains(where: { UInt8(ascii: $0) == first }) else { return false }
        removeFirst()
        return true
    }
}

/// Measured values, sorted.
public struct Samples {
    private let sorted: [Double]

    /// Creates samples from at least one value.
    public init(_ values: [Double]) { sorted = values.sorted() }

    /// The median.
    public var median: Double { quantile(0.5) }
    /// The smallest value.
    public var least: Double { sorted[0] }
    /// The largest value.
    public var most: Double { sorted[sorted.count - 1] }

    /// Returns the value that the given part of all values, from 0 to 1, do not exceed.
    public func quantile(_ part: Double) -> Double { sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))] }
}

/// Formats a number with this many decimal places.
public func text(_ value: Double, digits: Int = 0) -> String {
    guard digits > 0 else { return String(Int(value.rounded())) }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((value * scale).rounded())
    let fraction = String(whole % Int(scale))
    return "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// Measured values, in order.
public struct Samples {
    private let sorted: [Double]

    /// At least one.
    public init(_ values: [Double]) { sorted = values.sorted() }

    /// Half of all are above it, half below.
    public var median: Double { quantile(0.5) }
    /// The smallest.
    public var least: Double { sorted[0] }
    /// The largest.
    public var most: Double { sorted[sorted.count - 1] }

    /// The value that this part of all stay at or below.
    public func quantile(_ part: Double) -> Double { sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))] }
}

/// With this many digits behind the point.
public func text(_ value: Double, digits: Int = 0) -> String {
    guard digits > 0 else { return String(Int(value.rounded())) }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((value * scale).rounded())
    let fraction = String(whole % Int(scale))
    return "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
}

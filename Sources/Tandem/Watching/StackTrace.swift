internal import CTandem
internal import Runtime

/// The addresses of a stack. `description` looks up their names.
public struct StackTrace: Hashable, Sendable, CustomStringConvertible {
    /// The return addresses, innermost call first. In a stack that was interrupted, the first is where it was interrupted.
    public let addresses: [UInt]
    // Whether the first address is the program counter of interrupted code rather than a return address.
    private let startsWithCounter: Bool

    init(_ addresses: some Sequence<UInt>, startsWithCounter: Bool) {
        self.addresses = Array(addresses)
        self.startsWithCounter = startsWithCounter
    }

    /// Creates the stack of one call.
    package init(returnAddress: UInt) { self.init([returnAddress], startsWithCounter: false) }

    /// The stack as text: a line per call with the function's name, as far as this executable has symbols.
    ///
    /// The first use in a process takes some milliseconds to read the symbols; later ones are fast.
    public var description: String { names(ImageMap.capture()).joined(separator: "\n") }

    /// The stack as text, with file and line of each call, and with inlined calls, as far as there is debug information. Takes
    /// tens of milliseconds each time.
    public var descriptionWithLines: String {
        symbols(ImageMap.capture(), .default) { symbol in
            guard let source = symbol.sourceLocation, source.line > 0 else { return "\(symbol.name) in \(symbol.imageName)" }
            return "\(symbol.name) at \(source.path):\(source.line)"
        }.joined(separator: "\n")
    }

    func names(_ images: ImageMap) -> [String] { symbols(images, .useSymbolCache) { "\($0.name) in \($0.imageName)" } }

    private func symbols(
        _ images: ImageMap, _ options: Backtrace.SymbolicationOptions, _ line: (SymbolicatedBacktrace.Symbol) -> String
    ) -> [String] {
        guard let frames = backtrace?.symbolicated(with: images, options: options)?.frames else {
            return addresses.map(exportedName)
        }
        return frames.map { frame in
            if let symbol = frame.symbol { return line(symbol) }
            return exportedName(UInt(frame.captured.originalProgramCounter.description.dropFirst(2), radix: 16) ?? 0)
        }
    }

    /// The stack as Swift's own type. `Backtrace` can be made only by its `capture`, for the calling thread, or from its coded
    /// form, which is documented: a byte for version 0 with 64-bit words, then per frame a byte with its kind and eight bytes of
    /// address.
    private var backtrace: Backtrace? {
        var bytes: [UInt8] = [2]
        for (index, address) in addresses.enumerated() {
            bytes.append(index == 0 && startsWithCounter ? 0x1f : 0x2f)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: address >> shift)) }
        }
        bytes.append(0)
        #if arch(x86_64)
        let architecture = "x86_64"
        #else
        let architecture = "arm64"
        #endif
        return try? Backtrace(from: Fields(values: ["architecture": architecture, "backtrace": base64(bytes)]))
    }
}

/// Returns the name that the dynamic linker has for an address: system libraries have no other symbols.
private func exportedName(_ address: UInt) -> String {
    var file: UnsafePointer<CChar>?
    guard let name = tandem_exported_name(address, &file), let file else { return "0x" + String(address, radix: 16) }
    return "\(String(cString: name)) in \(String(cString: file).split(separator: "/").last ?? "")"
}

private func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
        for digit in 0..<4 {
            text.append(digit <= group.count ? digits[Int(bits >> UInt32(18 - 6 * digit) & 63)] : UInt8(ascii: "="))
        }
    }
    return String(decoding: text, as: UTF8.self)
}

/// A decoder for one flat dictionary of strings.
private struct Fields: Decoder {
    let values: [String: String]
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Keyed<Key>(values: values))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Missing() }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { throw Missing() }

    struct Missing: Error {}

    struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let values: [String: String]
        var codingPath: [any CodingKey] { [] }
        var allKeys: [Key] { values.keys.compactMap { Key(stringValue: $0) } }

        func contains(_ key: Key) -> Bool { values[key.stringValue] != nil }
        func decodeNil(forKey key: Key) -> Bool { values[key.stringValue] == nil }
        func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
            guard let value = values[key.stringValue] as? Value else { throw Missing() }
            return value
        }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> { throw Missing() }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw Missing() }
        func superDecoder() throws -> any Decoder { throw Missing() }
        func superDecoder(forKey key: Key) throws -> any Decoder { throw Missing() }
    }
}

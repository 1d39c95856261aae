import HTTPTypes

extension HeadStorage {
    /// All fields in the order received.
    var fields: HTTPFields {
        let count = Int(summary.fieldCount)
        var fields = HTTPFields()
        fields.reserveCapacity(count)
        for index in 0..<count {
            let entry = entry(at: index)
            // The parser has checked that the name is a token, which is all that the initialiser asks for.
            let name = HTTPField.Name(string(entry.name))!
            fields.append(withBytes(entry.value) { HTTPField(name, bytes: $0) })
        }
        return fields
    }

    /// The values of all lines of a field, joined as `HTTPFields` joins them, or nil without that field.
    func value(of name: HTTPField.Name) -> String? {
        var result: String?
        forEachValue(of: name) { value in
            if let first = result {
                result = first + (name == .cookie ? "; " : ", ") + string(value)
            } else {
                result = string(value)
            }
        }
        return result
    }

    /// The value of each line of a field, in the order received.
    func values(of name: HTTPField.Name) -> [String] {
        var result: [String] = []
        forEachValue(of: name) { result.append(string($0)) }
        return result
    }

    private func forEachValue(of name: HTTPField.Name, _ body: (ByteRange) -> Void) {
        let wanted = name.canonicalName.utf8.span
        for index in 0..<Int(summary.fieldCount) {
            let entry = entry(at: index)
            guard entry.name.count == wanted.count else { continue }
            if withBytes(entry.name, { $0.equalsIgnoringCase(wanted) }) { body(entry.value) }
        }
    }
}

extension HTTPField {
    /// A field with a value of any bytes, UTF-8 or not.
    @inline(__always)
    init(_ name: Name, bytes: Span<UInt8>) {
        self = unsafe bytes.withUnsafeBufferPointer { unsafe HTTPField(name: name, value: $0) }
    }
}

package import HTTPTypes

/// The field lines of a response, checked and encoded once, so that many responses can use them.
package struct EncodedFields: Sendable {
    /// The field lines, each with its CRLF.
    let bytes: [UInt8]

    /// Creates an instance without field lines.
    package init() {
        bytes = []
    }

    /// Encodes all fields except those that ``ResponseSerializer`` writes itself.
    ///
    /// - Throws: ``HTTPSerializeError/invalidFieldValue(name:)`` for a value with a control byte.
    package init(_ fields: HTTPFields) throws(HTTPSerializeError) {
        var bytes: [UInt8] = []
        // Usually enough for all lines, so that there is one allocation.
        bytes.reserveCapacity(fields.count * 48)
        for field in fields where !field.name.isWrittenBySerializer { try Self.append(field, to: &bytes) }
        self.bytes = bytes
    }

    /// The number of bytes in all field lines.
    package var byteCount: Int { bytes.count }

    /// Appends one field line. `HTTPField.Name` guarantees that the name is a token. The value may hold control bytes and is
    /// checked.
    static func append(_ field: HTTPField, to bytes: inout [UInt8]) throws(HTTPSerializeError) {
        let name = field.name.rawName
        try unsafe field.withUnsafeBytesOfValue { value throws(HTTPSerializeError) in
            guard unsafe value.span.isFieldContent else { throw .invalidFieldValue(name: name) }
            let count = name.utf8.count + value.count + 4
            bytes.append(addingCapacity: count) { output in
                output.write(atMost: count) { line in
                    line.put(name.utf8.span)
                    line.put(": ")
                    unsafe line.put(value.span)
                    line.put("\r\n")
                }
            }
        }
    }
}

extension HTTPField.Name {
    /// Whether the serializer writes this field itself.
    fileprivate var isWrittenBySerializer: Bool {
        switch canonicalName.utf8.count {
        case 4: canonicalName == "date"
        case 10: canonicalName == "connection" || canonicalName == "keep-alive"
        case 14: canonicalName == "content-length"
        case 17: canonicalName == "transfer-encoding"
        default: false
        }
    }
}

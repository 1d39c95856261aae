internal import TandemHTTP

/// The file of header fields for the collector, such as `Authorization: Bearer …`. Each line is a field; empty lines and lines that
/// begin with `#` are ignored.
enum CollectorHeaders {
    /// The maximum length of the file in bytes.
    static let longest = 16 * 1_024

    /// Reads the fields. Blocks while it reads. The error names the line, and never its text, which may be a secret.
    static func read(_ path: String) throws(FileReadingError) -> HTTPFields {
        var fields: HTTPFields = [:]
        let text = try readTextFile(path, upTo: longest)
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = trimmed(line)
            if line.isEmpty || line.first == "#" { continue }
            guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else {
                throw FileReadingError("line \(index + 1) is not a header field: expected a name, a colon and a value")
            }
            let value = String(trimmed(line[line.index(after: colon)...]))
            guard !reserved.contains(name), HTTPField.isValidValue(value) else {
                throw FileReadingError("line \(index + 1): this field cannot be set, or its value has a control character")
            }
            fields.append(HTTPField(name: name, value: value))
        }
        return fields
    }

    /// The fields that the exporter or the client sets.
    private static let reserved: Set<HTTPField.Name> = [
        .contentType, .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer, .expect, HTTPField.Name("Host")!,
        HTTPField.Name("Keep-Alive")!, .contentEncoding, .acceptEncoding,
    ]

    private static func trimmed(_ text: Substring) -> Substring {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "\r\n" }
        let start = text.drop(while: isBlank)
        return start.lastIndex { !isBlank($0) }.map { start[...$0] } ?? ""
    }
}

/// The file with the token of the admin listener: one line.
enum AdminToken {
    /// Reads the token. Blocks while it reads. The error does not have its text.
    static func read(_ path: String) throws(FileReadingError) -> String {
        let lines = try readTextFile(path, upTo: 4_096).split(whereSeparator: \.isNewline)
        guard lines.count == 1, 16...512 ~= lines[0].utf8.count, lines[0].utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else {
            throw FileReadingError("expected one line of 16 to 512 visible ASCII characters, without spaces")
        }
        return String(lines[0])
    }
}

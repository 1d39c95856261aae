import HTTPWire

// Reads inputs, one per line in hexadecimal digits, and prints how HTTPWire reads each, in the words of
// differential.py: "request METHOD TARGET VERSION BODY" for each request, then "refused STATUS" or "more".

/// The verdict on the bytes of one connection.
func verdict(_ bytes: [UInt8]) -> String {
    var parser = RequestHeadParser()
    var position = 0
    var words: [String] = []
    do throws(HTTPParseError) {
        while true {
            let unread = bytes[position...]
            guard let head = try parser.parse(unread.span.bytes) else { break }
            position += head.byteCount
            var decoder = BodyDecoder(framing: head.framing)
            var content: [UInt8] = []
            reading: while true {
                let rest = bytes[position...]
                let step = try decoder.decode(rest.span.bytes)
                if case .data(let range) = step.outcome {
                    content += rest[(position + range.lowerBound)..<(position + range.upperBound)]
                }
                position += step.consumed
                switch step.outcome {
                case .data: continue
                case .needMore: return (words + ["more"]).joined(separator: " | ")
                case .end: break reading
                }
            }
            words.append("request \(head.method.rawValue) \(head.target) \(head.version) \(hexadecimal(content))")
        }
        words.append("more")
    } catch {
        words.append("refused \(error.status) \(error.code)")
    }
    return words.joined(separator: " | ")
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

while let line = readLine() {
    let digits = line.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue ?? 0 }
    print(verdict(stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }))
}

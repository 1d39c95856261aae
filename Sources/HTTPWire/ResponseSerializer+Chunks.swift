public import HTTPTypes

extension ResponseSerializer {
    /// Writes what comes before the content of a chunk (RFC 9112 section 7.1).
    ///
    /// - Parameter size: The bytes of content, more than 0: an empty chunk would end the body.
    public static func writeChunkHeader(size: Int, into output: inout [UInt8]) {
        precondition(size > 0, "A chunk needs content; the last one is written by writeLastChunk")
        // 16 digits at most, and the line's end.
        output.append(addingCapacity: 18) { output in
            output.append(hexadecimal: size)
            output.append(literal: "\r\n")
        }
    }

    /// Writes what comes after the content of a chunk.
    public static func writeChunkEnd(into output: inout [UInt8]) {
        output.append(lineEnd.span)
    }

    /// Writes a chunk as a whole; an empty one is left out.
    public static func writeChunk(_ content: Span<UInt8>, into output: inout [UInt8]) {
        guard !content.isEmpty else { return }
        writeChunkHeader(size: content.count, into: &output)
        output.append(content)
        writeChunkEnd(into: &output)
    }

    /// Writes the end of a chunked body (RFC 9112 section 7.1.2).
    ///
    /// - Parameter output: What is appended to, and left as it was if a trailer is refused.
    public static func writeLastChunk(
        trailers: HTTPFields = [:], into output: inout [UInt8]
    ) throws(HTTPSerializeError) {
        let start = output.count
        output.append(lastChunk.span)
        do throws(HTTPSerializeError) {
            for trailer in trailers {
                guard trailer.name.isAllowedInTrailers else {
                    throw HTTPSerializeError.forbiddenTrailer(name: trailer.name.rawName)
                }
                try writeField(trailer, into: &output)
            }
        } catch {
            output.removeSubrange(start...)
            throw error
        }
        output.append(lineEnd.span)
    }

    private static let lineEnd: [UInt8] = Array("\r\n".utf8)
    private static let lastChunk: [UInt8] = Array("0\r\n".utf8)
}

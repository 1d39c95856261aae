public import HTTPTypes

extension ResponseSerializer {
    /// Writes what comes before the content of a chunk (RFC 9112 section 7.1).
    ///
    /// - Parameter size: The bytes of content, more than 0: an empty chunk would end the body.
    public static func writeChunkHeader(size: Int, into output: inout [UInt8]) {
        output.append(addingCapacity: chunkRoom) { writeChunkHeader(size: size, into: &$0) }
    }

    /// Writes what comes after the content of a chunk.
    public static func writeChunkEnd(into output: inout [UInt8]) {
        output.append(addingCapacity: 2) { writeChunkEnd(into: &$0) }
    }

    /// Writes a chunk as a whole; an empty one is left out.
    public static func writeChunk(_ content: Span<UInt8>, into output: inout [UInt8]) {
        output.append(addingCapacity: content.count + chunkRoom) { writeChunk(content, into: &$0) }
    }

    /// Writes the end of a chunked body (RFC 9112 section 7.1.2).
    ///
    /// - Parameter output: The end is appended to it. If a trailer is refused, it is left as it was.
    public static func writeLastChunk(
        trailers: HTTPFields = [:], into output: inout [UInt8]
    ) throws(HTTPSerializeError) {
        let start = output.count
        output.append(addingCapacity: 3) { $0.write(atMost: 3) { $0.put("0\r\n") } }
        do throws(HTTPSerializeError) {
            for trailer in trailers {
                // The list for requests: fields such as Age, which a client drops from trailers, do no harm there.
                guard case .kept = TrailerUse(of: trailer.name, in: .request) else {
                    throw HTTPSerializeError.forbiddenTrailer(name: trailer.name.rawName)
                }
                try EncodedFields.append(trailer, to: &output)
            }
        } catch {
            output.removeSubrange(start...)
            throw error
        }
        writeChunkEnd(into: &output)
    }

    /// The bytes of free capacity that an output needs for a chunk, beside its content: 16 digits and two line ends.
    package static var chunkRoom: Int { 20 }

    /// The same into reserved memory: 18 bytes at most.
    package static func writeChunkHeader(size: Int, into output: inout OutputSpan<UInt8>) {
        precondition(size > 0, "A chunk needs content; the last one is written by writeLastChunk")
        output.write(atMost: 18) { header in
            header.put(hexadecimal: size)
            header.put("\r\n")
        }
    }

    /// The same into reserved memory: 2 bytes.
    package static func writeChunkEnd(into output: inout OutputSpan<UInt8>) {
        output.write(atMost: 2) { $0.put("\r\n") }
    }

    /// The same into reserved memory: see ``chunkRoom``.
    package static func writeChunk(_ content: Span<UInt8>, into output: inout OutputSpan<UInt8>) {
        guard !content.isEmpty else { return }
        output.write(atMost: content.count + chunkRoom) { chunk in
            chunk.put(hexadecimal: content.count)
            chunk.put("\r\n")
            chunk.put(content)
            chunk.put("\r\n")
        }
    }

    /// Writes the end of a chunked body without trailers into reserved memory: 5 bytes.
    package static func writeLastChunk(into output: inout OutputSpan<UInt8>) {
        output.write(atMost: 5) { $0.put("0\r\n\r\n") }
    }
}

public import HTTPTypes

extension ResponseSerializer {
    /// Writes the line before the content of a chunk (RFC 9112 section 7.1).
    ///
    /// - Parameters:
    ///   - size: The number of bytes of content. It must be more than 0, because an empty chunk would end the body.
    ///   - output: The array to append to.
    public static func writeChunkHeader(size: Int, into output: inout [UInt8]) {
        output.append(addingCapacity: chunkRoom) { writeChunkHeader(size: size, into: &$0) }
    }

    /// Writes the line end after the content of a chunk.
    public static func writeChunkEnd(into output: inout [UInt8]) {
        output.append(addingCapacity: 2) { writeChunkEnd(into: &$0) }
    }

    /// Writes a whole chunk. Writes nothing for empty content, because an empty chunk would end the body.
    public static func writeChunk(_ content: Span<UInt8>, into output: inout [UInt8]) {
        output.append(addingCapacity: content.count + chunkRoom) { writeChunk(content, into: &$0) }
    }

    /// Writes the end of a chunked body: the last chunk and the trailers (RFC 9112 sections 7.1 and 7.1.2).
    ///
    /// - Parameters:
    ///   - trailers: The trailer fields.
    ///   - output: The array to append to. It is left unchanged if an error is thrown.
    /// - Throws: ``HTTPSerializeError/forbiddenTrailer(name:)`` for a field that must not be a trailer (RFC 9110 section
    ///   6.5.1), and ``HTTPSerializeError/invalidFieldValue(name:)`` for a value with a control byte.
    public static func writeLastChunk(
        trailers: HTTPFields = [:], into output: inout [UInt8]
    ) throws(HTTPSerializeError) {
        let start = output.count
        output.append(addingCapacity: 3) { $0.write(atMost: 3) { $0.put("0\r\n") } }
        do throws(HTTPSerializeError) {
            for trailer in trailers {
                // This uses the list for requests, which allows fields such as Age. A client drops them, so they do no harm.
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

    /// The free capacity in bytes that a chunk needs in addition to its content: 16 digits and two line ends.
    package static var chunkRoom: Int { 20 }

    /// Writes the line before the content of a chunk into reserved memory: at most 18 bytes.
    package static func writeChunkHeader(size: Int, into output: inout OutputSpan<UInt8>) {
        precondition(size > 0, "A chunk needs content; the last one is written by writeLastChunk")
        output.write(atMost: 18) { header in
            header.put(hexadecimal: size)
            header.put("\r\n")
        }
    }

    /// Writes the line end after the content of a chunk into reserved memory: 2 bytes.
    package static func writeChunkEnd(into output: inout OutputSpan<UInt8>) {
        output.write(atMost: 2) { $0.put("\r\n") }
    }

    /// Writes a whole chunk into reserved memory; see ``chunkRoom``. Writes nothing for empty content.
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

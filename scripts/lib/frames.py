"""The sizes of the async frames that are alive while a request waits, from the symbols of a release build. Standard library only.

Swift puts an async function's frame into the memory of its task. Such a function has a symbol that ends in `Tu`. It points to two
32-bit numbers; the second is the size of the frame.
"""

import struct

# The name in the table, the beginning of the mangled name, and the bound in bytes.
FRAMES = {
    "Connection.run": ("$s10TandemHTTP10ConnectionC3run", 464),
    "Connection.serveRequests": ("$s10TandemHTTP10ConnectionC13serveRequests", 416),
    "Descriptor.waitIgnoringCancellation": ("$s6Tandem10DescriptorC24waitIgnoringCancellation", 80),
    "park": ("$s6Tandem4park", 80),
    "Hub.host": ("$s6Tandem3HubC4host", 112),
    "Exchange.finish": ("$s10TandemHTTP8ExchangeC6finishyyAC9RemainderOYaKFTu", 176),
    "Exchange.run": ("$s10TandemHTTP8ExchangeC3run", 128),
    "AnswerStream.run": ("$s10TandemHTTP12AnswerStreamC3run", 112),
    "BodyReader.dropUnread": ("$s10TandemHTTP10BodyReaderC10dropUnread", 128),
}


def sizes(binary):
    """Returns the frame size of each async function by its mangled name."""
    with open(binary, "rb") as file:
        image = file.read()
    if image[:5] != b"\x7fELF\x02":
        raise ValueError(f"{binary} is not a 64-bit ELF file")
    table, = struct.unpack_from("<Q", image, 0x28)
    size, count = struct.unpack_from("<HH", image, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, table + index * size) for index in range(count)]
    found = {}
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = sections[link][4]
        for at in range(offset, offset + length, entry):
            name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", image, at)
            start = names + name
            text = image[start:image.index(b"\0", start)].decode(errors="replace")
            if text.endswith("Tu") and 0 < section < count:
                _, _, _, address, position, *_ = sections[section]
                found[text] = struct.unpack_from("<I", image, position + value - address + 4)[0]
    return found


def measure(binary):
    """Yields the name, bytes and bound of each of FRAMES. The bytes are None if the function is not in the program."""
    found = sizes(binary)
    for name, (beginning, most) in FRAMES.items():
        of_name = [size for mangled, size in found.items() if mangled.startswith(beginning)]
        yield name, max(of_name, default=None), most

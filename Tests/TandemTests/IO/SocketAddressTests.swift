import Glibc
import Tandem
import Testing

struct SocketAddressTests {
    private static let endpoint = SocketEndpoint(address: IPAddress("fe80::1:2")!, port: 65_535, zone: 3)

    @Test(arguments: [
        SocketAddress.ip(SocketEndpoint("127.0.0.1:8080")!), .ip(SocketEndpoint("[2001:db8::1]:1")!), .ip(endpoint),
        SocketAddress(unixPath: "/run/x.sock")!, SocketAddress(unixPath: "@relative")!,
        SocketAddress(unixPath: String(repeating: "x", count: SocketAddress.longestPath))!,
        SocketAddress(abstractName: "name".utf8)!, SocketAddress(abstractName: String(repeating: "x", count: 107).utf8)!,
        .unix(name: []),
    ])
    func `an address is read back as it was written`(_ address: SocketAddress) {
        let again = address.withSockaddr { SocketAddress($0, length: Int($1)) }
        #expect(again == address)
        #expect(address.withSockaddr { pointer, _ in CInt(pointer.pointee.sa_family) } == address.family)
    }

    @Test func `a path has at most 107 bytes and no zero byte`() {
        #expect(SocketAddress.longestPath == 107)
        for path in ["", String(repeating: "x", count: 108), "a\0b"] { #expect(SocketAddress(unixPath: path) == nil) }
        #expect(SocketAddress(abstractName: String(repeating: "x", count: 108).utf8) == nil)
    }

    @Test func `the kernel accepts the address and returns it for a bound socket`() throws {
        for text in ["127.0.0.1:0", "[::1]:0"] {
            let address = SocketAddress.ip(try #require(SocketEndpoint(text)))
            let fd = socket(address.family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            defer { close(fd) }
            #expect(address.withSockaddr { bind(fd, $0, $1) } == 0)
            let bound = try #require(SocketAddress(localOf: fd)?.endpoint)
            #expect(bound.address == address.endpoint?.address && bound.port > 0)
        }
        let name = SocketAddress(abstractName: "tandem-test-\(getpid())".utf8)!
        let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        defer { close(fd) }
        #expect(name.withSockaddr { bind(fd, $0, $1) } == 0)
        #expect(SocketAddress(localOf: fd) == name)
    }

    @Test func `other families and too few bytes are refused`() {
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(AF_NETLINK)
        withUnsafeBytes(of: storage) { #expect(SocketAddress($0) == nil) }
        storage.ss_family = sa_family_t(AF_INET6)
        withUnsafeBytes(of: storage) { bytes in
            for count in 0..<MemoryLayout<sockaddr_in6>.size {
                #expect(SocketAddress(UnsafeRawBufferPointer(rebasing: bytes[..<count])) == nil)
            }
        }
        #expect(SocketAddress(localOf: -1) == nil)
    }
}

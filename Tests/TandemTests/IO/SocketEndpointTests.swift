import Glibc
import Tandem
import Testing

struct SocketEndpointTests {
    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "fd00:ec2::254", "100.100.100.200", "::7f00:1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1",
    ])
    func `an internal or unroutable address is not public`(_ text: String) {
        #expect(SocketEndpoint(digits: text, port: 80)?.isPublic == false)
    }

    @Test(arguments: [
        "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
        "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1",
        "::ffff:8.8.8.8",
    ])
    func `an internet address is public`(_ text: String) {
        #expect(SocketEndpoint(digits: text, port: 80)?.isPublic == true)
    }

    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1:80"), ("[2001:DB8::1]:443", "[2001:db8::1]:443"), ("[::]:0", "[::]:0"),
        ("[::ffff:1.2.3.4]:65535", "[::ffff:1.2.3.4]:65535"),
    ])
    func `an endpoint is read back from its written form`(_ text: String, _ canonical: String) throws {
        let endpoint = try #require(SocketEndpoint(text))
        #expect(endpoint.description == canonical && SocketEndpoint(canonical) == endpoint)
    }

    @Test(arguments: [
        "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+80", "127.0.0.1:-1", "127.0.0.1: 80", "::1:80",
        "[127.0.0.1]:80", "[::1]", "[::1:80", "[]:80", "localhost:80", "1.2.3:80", "[::1%lo]:80", "127.0.0.1\0:80",
    ])
    func `other texts are not endpoints`(_ text: String) { #expect(SocketEndpoint(text) == nil) }

    @Test(arguments: ["localhost", "1.2.3", "", "[::1]", "%lo", "127.0.0.1:80"])
    func `a host that is not a numeric address is not an endpoint`(_ text: String) {
        #expect(SocketEndpoint(digits: text, port: 1) == nil)
    }

    @Test func `a mapped address is unmapped on request only`() throws {
        let mapped = try #require(SocketEndpoint("[::ffff:1.2.3.4]:1"))
        #expect(mapped != SocketEndpoint("1.2.3.4:1") && mapped.unmapped == SocketEndpoint("1.2.3.4:1"))
        let plain = SocketEndpoint(address: IPAddress("fe80::1")!, port: 1, zone: 1)
        #expect(plain.unmapped == plain)
    }

    @Test func `a zone is written as the interface's name, or as its number when it has none`() throws {
        let address = try #require(IPAddress("fe80::1"))
        let loopback = if_nametoindex("lo")
        #expect(SocketEndpoint(address: address, port: 80, zone: loopback).description == "[fe80::1%lo]:80")
        #expect(SocketEndpoint(address: address, port: 80, zone: 4_000_000).host == "fe80::1%4000000")
        #expect(SocketEndpoint(address: address, port: 80).host == "fe80::1")
    }
}

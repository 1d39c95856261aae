import TandemFetch
import Testing

struct ResolvedAddressTests {
    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "fd00:ec2::254", "100.100.100.200", "::7f00:1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1",
    ])
    func isNotPublic(_ text: String) { #expect(ResolvedAddress(text, port: 80)?.isPublic == false) }

    @Test(arguments: [
        "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
        "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1",
        "::ffff:8.8.8.8",
    ])
    func isPublic(_ text: String) { #expect(ResolvedAddress(text, port: 80)?.isPublic == true) }

    @Test func saysItselfInNumbers() {
        #expect("\(ResolvedAddress("127.0.0.1", port: 80)!)" == "127.0.0.1:80")
        #expect("\(ResolvedAddress("2001:DB8::1", port: 443)!)" == "[2001:db8::1]:443")
        #expect(ResolvedAddress("::ffff:1.2.3.4", port: 1) == ResolvedAddress("1.2.3.4", port: 1))
        #expect(ResolvedAddress("localhost", port: 1) == nil && ResolvedAddress("1.2.3", port: 1) == nil)
    }
}

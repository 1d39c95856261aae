import Testing

import Tandem

@Suite struct AddressScopeTests {
    @Test(arguments: [
        ("8.8.8.8", AddressScope.global), ("1.1.1.1", .global), ("11.0.0.0", .global), ("172.15.255.255", .global),
        ("172.32.0.0", .global),
        ("100.63.255.255", .global), ("100.128.0.0", .global), ("223.255.255.255", .global), ("2606:4700::1111", .global),
        ("::ffff:8.8.8.8", .global), ("64:ff9b::808:808", .global), ("2400::1", .global), ("3ff0::1", .global),
        ("10.0.0.0", .privateNetwork), ("10.255.255.255", .privateNetwork), ("172.16.0.0", .privateNetwork),
        ("172.31.255.255", .privateNetwork),
        ("192.168.1.1", .privateNetwork), ("100.64.0.0", .privateNetwork), ("100.127.255.255", .privateNetwork),
        ("fc00::1", .privateNetwork),
        ("fdff::1", .privateNetwork), ("::ffff:192.168.0.1", .privateNetwork), ("64:ff9b::10.0.0.1", .privateNetwork),
        ("127.0.0.1", .loopback), ("127.255.255.255", .loopback), ("::1", .loopback), ("::ffff:127.0.0.1", .loopback),
        ("0.0.0.0", .forbidden), ("0.1.2.3", .forbidden), ("169.254.169.254", .forbidden), ("100.100.100.200", .forbidden),
        ("192.0.0.192", .forbidden), ("192.0.2.1", .forbidden), ("198.18.0.1", .forbidden), ("198.51.100.1", .forbidden),
        ("203.0.113.1", .forbidden),
        ("192.88.99.1", .forbidden), ("224.0.0.1", .forbidden), ("240.0.0.1", .forbidden), ("255.255.255.255", .forbidden),
        ("::", .forbidden),
        ("fe80::1", .forbidden), ("fec0::1", .forbidden), ("ff02::1", .forbidden), ("fd00:ec2::254", .forbidden),
        ("2001::1", .forbidden),
        ("2001:db8::1", .forbidden), ("2002:7f00:1::", .forbidden), ("3fff::1", .forbidden), ("64:ff9b:1::1", .forbidden),
        ("::127.0.0.1", .forbidden),
        ("::ffff:169.254.169.254", .forbidden),
    ])
    func `an address has the scope of its block`(text: String, scope: AddressScope) throws {
        #expect(try #require(IPAddress(text)).scope == scope)
    }

    @Test(arguments: [
        "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.0.0.1 ", "[::1]", "::1%lo", "1.2.3", "", "::g", "1::2::3",
        "localhost",
        "127.0.0.1\0.example.com",
    ])
    func `other spellings are not addresses`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [("::0001", "::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("127.0.0.1", "127.0.0.1")])
    func `an address is written in its canonical form`(text: String, canonical: String) throws {
        #expect(try #require(IPAddress(text)).description == canonical)
        #expect(IPAddress(canonical) == IPAddress(text))
    }
}

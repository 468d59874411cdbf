// Encodings of ATS and page-request messages (PCIe base specification 10.2 to 10.4).
#include <doctest/doctest.h>

#include "models/pcie/ats_layout.hpp"

using namespace ioasim;
using namespace ioasim::pcie;

namespace {

constexpr Rid kFunction{0x0128};

TranslationEntry page(std::uint64_t address, unsigned bits) {
    TranslationEntry e;
    e.address = address;
    e.page_bits = bits;
    return e;
}

}  // namespace

TEST_CASE("ats translation entry: sizes are coded into the address") {
    CHECK(encode(page(0x1234'5000, 12)) == 0x1234'5000);
    CHECK(encode(page(0x1234'4000, 13)) == 0x1234'4800);  // 8 KiB: bit 12 zero
    CHECK(encode(page(0x1234'4000, 14)) == 0x1234'5800);  // 16 KiB: bit 12 one, 13 zero
    // 2 MiB: bits 19:12 ones, bit 20 zero; 1 GiB: bits 28:12 ones, bit 29 zero.
    CHECK(encode(page(0x4020'0000, 21)) == 0x402F'F800);
    CHECK(encode(page(0x1'4000'0000, 30)) == 0x1'5FFF'F800);
}

TEST_CASE("ats translation entry: flags have their places") {
    TranslationEntry e = page(0x5000, 12);
    CHECK(encode(e) == 0x5000);
    e.read = true;
    CHECK(encode(e) == 0x5001);
    e.write = true;
    CHECK(encode(e) == 0x5003);
    e = page(0, 12);
    e.untranslated_only = true;
    CHECK(encode(e) == 0x4);
    e.execute = true;
    CHECK(encode(e) == 0xC);
    e.privileged = true;
    CHECK(encode(e) == 0x1C);
    e.global = true;
    CHECK(encode(e) == 0x3C);
    e.no_snoop_cleared = true;
    CHECK(encode(e) == 0x43C);
}

TEST_CASE("ats translation entry: decoding undoes encoding for every page size and flag") {
    for (unsigned bits = 12; bits < 64; ++bits) {
        for (unsigned flags = 0; flags < 128; ++flags) {
            TranslationEntry e = page(0, bits);
            e.address = bits < 52 ? 0x000F'0000'0000'0000 | (std::uint64_t{1} << bits) : 0;
            e.read = (flags & 1U) != 0;
            e.write = (flags & 2U) != 0;
            e.untranslated_only = (flags & 4U) != 0;
            e.execute = (flags & 8U) != 0;
            e.privileged = (flags & 16U) != 0;
            e.global = (flags & 32U) != 0;
            e.no_snoop_cleared = (flags & 64U) != 0;
            if (bits < 48) {
                REQUIRE(decode_translation(encode(e)) == e);
            } else {
                e.address = 0;
                REQUIRE(decode_translation(encode(e)) == e);
            }
        }
    }
}

TEST_CASE("ats invalidate: the range follows the size bit and the trailing ones") {
    const AtsRange one = InvalidateBody{0x7000, false, false}.range();
    CHECK(one.first == 0x7000);
    CHECK(one.last == 0x7FFF);
    const AtsRange two = InvalidateBody{0x6000, true, false}.range();
    CHECK(two.first == 0x6000);
    CHECK(two.last == 0x7FFF);
    const AtsRange large = InvalidateBody{0x402F'F000, true, false}.range();
    CHECK(large.first == 0x4020'0000);
    CHECK(large.last == 0x403F'FFFF);
    // Everything, as drivers write it: all ones below bit 63.
    const AtsRange all = InvalidateBody{0x7FFF'FFFF'FFFF'F000, true, false}.range();
    CHECK(all.first == 0);
    CHECK(all.last == ~std::uint64_t{0});
}

TEST_CASE("ats invalidate request: destination, ITag, body") {
    const Tlp tlp = invalidate_request(kFunction, Pasid{5}, 17, {0x402F'F000, true, true});
    CHECK(tlp.kind == TlpKind::InvalidateRequest);
    CHECK(message_destination(tlp) == kFunction);
    CHECK(tlp.tag == 17);
    CHECK(load_quadword(tlp.data) == 0x402F'F801);
    const InvalidateBody body = decode_invalidate(load_quadword(tlp.data));
    CHECK(body.address == 0x402F'F000);
    CHECK(body.size_bit);
    CHECK(body.global);
}

TEST_CASE("ats invalidate completion: ITag vector and count, where 0 means 8") {
    const Tlp tlp = invalidate_completion(kFunction, {Rid{0x00A0}, 0x8000'0001, 2});
    CHECK(tlp.address == 0x00A0'0002'8000'0001);
    CHECK(tlp.requester == kFunction);
    const InvalidateDone done = decode_invalidate_done(encode(InvalidateDone{Rid{}, 4, 8}));
    CHECK(encode(InvalidateDone{Rid{}, 4, 8}) == 4);
    CHECK(done.count == 8);
    CHECK(done.itags == 4);
    CHECK(decode_invalidate_done(tlp.address).unit == Rid{0x00A0});
}

TEST_CASE("ats page request: header as the queue descriptor's second quadword shows it") {
    const PageRequestMessage m{0x7F00'1234'5000, 7, true, true, false};
    CHECK(encode(m) == 0x7F00'1234'503E);
    const PageRequestMessage back = decode_page_request(encode(m));
    CHECK(back.address == m.address);
    CHECK(back.group == 7);
    CHECK(back.last);
    CHECK(back.write);
    CHECK_FALSE(back.read);
    const PageRequestMessage stop{0, 0, true, false, false};
    CHECK(encode(stop) == 4);
    CHECK(is_stop_marker(stop, true));
    CHECK_FALSE(is_stop_marker(stop, false));
    CHECK_FALSE(is_stop_marker(m, true));
}

TEST_CASE("ats page group response: code and group beside the destination") {
    const Tlp tlp = page_group_response(Pasid{5}, {kFunction, 1, 0x1FF});
    CHECK(tlp.address == 0x0128'11FF'0000'0000);
    const PageGroupAnswer back = decode_page_group_answer(tlp.address);
    CHECK(back.function == kFunction);
    CHECK(back.code == 1);
    CHECK(back.group == 0x1FF);
}

TEST_CASE("ats translation request: NW in bit 0, eight bytes an entry") {
    const Tlp tlp = translation_request(kFunction, std::nullopt, 0x1234'5678, 3, true);
    CHECK(tlp.kind == TlpKind::AtsRequest);
    CHECK(tlp.at == AddressType::TranslationRequest);
    CHECK(tlp.address == 0x1234'5001);
    CHECK(tlp.length == 24);
    CHECK(no_write_flag(tlp));
    CHECK(translation_address(tlp) == 0x1234'5000);
}

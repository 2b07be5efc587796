"""What makes a PDF with an attached XML a Factur-X: a statement in its metadata, which typst does not know to write.

It is added as PDF lets one add: the metadata stands a second time at the end, with a table that points there. What is
before stays byte by byte.
"""

import re

_EXTENSION = """<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>\
<pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>\
<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property>\
</rdf:li>"""
_PROPERTY = """<rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>\
<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>\
<pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>"""
_PROPERTIES = {
    "DocumentFileName": ("factur-x.xml", "The name of the embedded XML document"),
    "DocumentType": ("INVOICE", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER"),
    "Version": ("1.0", "The actual version of the standard applying to the embedded XML document"),
    "ConformanceLevel": ("EN 16931", "The conformance level of the embedded XML document"),
}
_STATEMENT = (
    '<rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">'
    + "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (value, _) in _PROPERTIES.items())
    + "</rdf:Description>"
)
_METADATA = re.compile(
    rb"(\d+) 0 obj\n<</Length (\d+)/Type/Metadata/Subtype/XML>>\nstream\n(.*?)\nendstream", re.DOTALL
)
_TRAILER = re.compile(
    rb"trailer\n<</Size (\d+)/Root (\d+ 0 R)/Info (\d+ 0 R)/ID(\[.*?\])>>\nstartxref\n(\d+)\n%%EOF\s*$", re.DOTALL
)


def declare(pdf: bytes) -> bytes:
    """The same PDF, saying in its metadata that it carries a Factur-X of EN 16931."""
    trailer = _TRAILER.search(pdf, max(0, len(pdf) - 2000))
    found = _METADATA.search(pdf, max(0, pdf.rfind(b"/Type/Metadata/Subtype/XML") - 100))
    assert found, "typst writes its metadata in clear"
    assert trailer, "typst writes a plain table of its objects"
    number, packet = int(found[1]), found[3].decode()
    extension = _EXTENSION.format(
        properties="".join(
            _PROPERTY.format(name=name, description=description) for name, (_, description) in _PROPERTIES.items()
        )
    )
    assert packet.count("<pdfaExtension:schemas><rdf:Bag>") == 1, "PDF/A describes the metadata that it extends"
    packet = packet.replace("<pdfaExtension:schemas><rdf:Bag>", f"<pdfaExtension:schemas><rdf:Bag>{extension}", 1)
    packet = packet.replace("</rdf:RDF>", f"{_STATEMENT}</rdf:RDF>", 1)
    content = packet.encode()
    body = pdf if pdf.endswith(b"\n") else pdf + b"\n"
    offset = len(body)
    added = b"%d 0 obj\n<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%b\nendstream\nendobj\n" % (
        number,
        len(content),
        content,
    )
    table = b"xref\n%d 1\n%010d 00000 n\r\n" % (number, offset)
    ending = b"trailer\n<</Size %b/Root %b/Info %b/ID%b/Prev %b>>\nstartxref\n%d\n%%%%EOF\n" % (
        *(trailer[place] for place in (1, 2, 3, 4, 5)),
        offset + len(added),
    )
    return body + added + table + ending

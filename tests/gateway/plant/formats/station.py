"""A NodeSet of instances: a pump station with two pumps of OPC UA for Machinery."""

_NODES = """
<UAObject NodeId="ns=1;i=1" BrowseName="1:Station"><DisplayName>Pump station</DisplayName>
 <References><Reference ReferenceType="Organizes" IsForward="false">i=85</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=58</Reference></References></UAObject>
<UAObject NodeId="ns=1;i=2" BrowseName="1:Pumps"><DisplayName>Pumps</DisplayName>
 <References><Reference ReferenceType="Organizes" IsForward="false">ns=1;i=1</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=61</Reference></References></UAObject>
"""
_PUMP = """
<UAObject NodeId="ns=1;i={n}0" BrowseName="1:{name}"><DisplayName>{name} here</DisplayName>
 <References><Reference ReferenceType="Organizes" IsForward="false">ns=1;i=2</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=58</Reference></References></UAObject>
<UAObject NodeId="ns=1;i={n}1" BrowseName="3:Identification">
 <DisplayName>Identification</DisplayName>
 <References><Reference ReferenceType="HasAddIn" IsForward="false">ns=1;i={n}0</Reference>
 <Reference ReferenceType="HasTypeDefinition">ns=2;i=1012</Reference></References></UAObject>
<UAVariable NodeId="ns=1;i={n}2" BrowseName="3:Manufacturer" DataType="LocalizedText">
 <DisplayName>Manufacturer</DisplayName>
 <References><Reference ReferenceType="HasProperty" IsForward="false">ns=1;i={n}1</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=68</Reference></References>
 <Value><uax:LocalizedText><uax:Locale>en</uax:Locale><uax:Text>Example Pumps</uax:Text>
 </uax:LocalizedText></Value></UAVariable>
<UAVariable NodeId="ns=1;i={n}3" BrowseName="3:ProductInstanceUri" DataType="String">
 <DisplayName>ProductInstanceUri</DisplayName>
 <References><Reference ReferenceType="HasProperty" IsForward="false">ns=1;i={n}1</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=68</Reference></References>
 <Value><uax:String>urn:example:pump:{n}</uax:String></Value></UAVariable>
<UAVariable NodeId="ns=1;i={n}4" BrowseName="1:Pressure" DataType="Double">
 <DisplayName>Discharge pressure</DisplayName>
 <References><Reference ReferenceType="HasComponent" IsForward="false">ns=1;i={n}0</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=17570</Reference></References></UAVariable>
<UAVariable NodeId="ns=1;i={n}5" BrowseName="EURange" DataType="i=884">
 <DisplayName>EURange</DisplayName>
 <References><Reference ReferenceType="HasProperty" IsForward="false">ns=1;i={n}4</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=68</Reference></References>
 <Value><uax:ExtensionObject><uax:TypeId><uax:Identifier>i=885</uax:Identifier></uax:TypeId>
 <uax:Body><uax:Range><uax:Low>0</uax:Low><uax:High>16</uax:High></uax:Range></uax:Body>
 </uax:ExtensionObject></Value></UAVariable>
<UAVariable NodeId="ns=1;i={n}6" BrowseName="EngineeringUnits" DataType="i=887">
 <DisplayName>EngineeringUnits</DisplayName>
 <References><Reference ReferenceType="HasProperty" IsForward="false">ns=1;i={n}4</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=68</Reference></References>
 <Value><uax:ExtensionObject><uax:TypeId><uax:Identifier>i=888</uax:Identifier></uax:TypeId>
 <uax:Body><uax:EUInformation><uax:UnitId>4342098</uax:UnitId><uax:DisplayName>
 <uax:Text>bar</uax:Text></uax:DisplayName></uax:EUInformation></uax:Body>
 </uax:ExtensionObject></Value></UAVariable>
<UAVariable NodeId="ns=1;i={n}7" BrowseName="1:Running" DataType="Boolean">
 <DisplayName>Running</DisplayName>
 <References><Reference ReferenceType="HasComponent" IsForward="false">ns=1;i={n}0</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=63</Reference></References></UAVariable>
<UAObject NodeId="ns=1;i={n}8" BrowseName="2:Components"><DisplayName>Components</DisplayName>
 <References><Reference ReferenceType="HasComponent" IsForward="false">ns=1;i={n}0</Reference>
 <Reference ReferenceType="HasTypeDefinition">ns=2;i=1006</Reference></References></UAObject>
<UAObject NodeId="ns=1;i={n}9" BrowseName="1:Motor"><DisplayName>Motor</DisplayName>
 <References><Reference ReferenceType="HasComponent" IsForward="false">ns=1;i={n}8</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=58</Reference></References></UAObject>
"""
_TYPE = """
<UAObjectType NodeId="ns=1;i=900" BrowseName="1:PumpType"><DisplayName>PumpType</DisplayName>
 <References><Reference ReferenceType="HasSubtype" IsForward="false">i=58</Reference></References>
</UAObjectType>
<UAVariable NodeId="ns=1;i=901" BrowseName="1:Pressure" DataType="Double">
 <DisplayName>Pressure</DisplayName>
 <References><Reference ReferenceType="HasComponent" IsForward="false">ns=1;i=900</Reference>
 <Reference ReferenceType="HasTypeDefinition">i=63</Reference>
 <Reference ReferenceType="HasModellingRule">i=78</Reference></References></UAVariable>
"""


def document(nodes: str, before: str = "") -> bytes:
    """A NodeSet with nodes; `before` is put before the root element."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{before}'
        '<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd" '
        'xmlns:uax="http://opcfoundation.org/UA/2008/02/Types.xsd">'
        "<NamespaceUris><Uri>urn:example:station</Uri>"
        "<Uri>http://opcfoundation.org/UA/Machinery/</Uri>"
        "<Uri>http://opcfoundation.org/UA/DI/</Uri></NamespaceUris>"
        '<Aliases><Alias Alias="Double">i=11</Alias><Alias Alias="Boolean">i=1</Alias>'
        '<Alias Alias="String">i=12</Alias><Alias Alias="LocalizedText">i=21</Alias></Aliases>'
        f"{nodes}</UANodeSet>"
    ).encode()


def station() -> bytes:
    """The pump station, and a type that is no instance."""
    pumps = "".join(_PUMP.format(n=number, name=f"Pump{number}") for number in (1, 2))
    return document(_NODES + pumps + _TYPE)

# Fingerprints for the cases of -m osf: made up, in pf.os format (window:ttl:df:size:options:genre:version:subtype:details)
S4:64:1:60:M*,S,T,N,W7:Lin:4.x::made up
5840:64:1:60:M1460,S,T,N,W7:Linux:plain:first:made up
8192:128:1:52:M*,N,W2,N,N,S:Win:7:sp1:made up
S4:64:1:48:M*,N,N,S:Lin:2.6:old:made up
T2:64:1:44:M1000:Odd:mtu::made up
S2:64:1:44:M1000:Lin:mss:half:made up
S3:64:1:44:M*:Odd:mss::made up
%4096:64:1:40:.:Odd:modulo::made up
*:64:0:40:.:@Lin:any:window:made up

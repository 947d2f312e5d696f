"""Ids that the registry does not know: when that is the record's fault, and when the registry's own."""

from __future__ import annotations

import pytest

from tests.kit.cluster import Cluster
from tests.kit.notes import CATALOG, EVENT, NAMESPACE, with_field
from tests.kit.registry_proxy import hiding
from tests.kit.samples.office.notes import NoteTaken
from verbwire.errors import RegistryUnavailableError, UndecodableError
from verbwire.names import Names
from verbwire.wire.avro.framing import frame
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.registry.client import Registry
from verbwire.wire.registry.unknown_ids import LAG_SECONDS, UnknownIds

pytestmark = pytest.mark.kafka

CONTRACT = CATALOG.of(EVENT)
NO_SUBJECTS = r"^/schemas/ids/\d+/subjects"
NOTHING_BY_ID = r"^/schemas/ids/"


def codec_of(url: str, unique: str) -> Codec:
    codec = Codec(CATALOG, Registry(url), Names("office", unique))
    codec.registry.register(codec.names.subject(CONTRACT.name), CONTRACT.text)
    return codec


def decoder(codec: Codec) -> TopicDecoder:
    return codec.topic_decoder(codec.names.events(NAMESPACE), NAMESPACE, {NoteTaken.__contract__: NoteTaken})


def test_a_registry_that_lists_no_subjects_of_an_id_is_asked_for_its_versions(cluster: Cluster, unique: str) -> None:
    """Apicurio before 3.2."""
    with hiding(cluster.registry_url, NO_SUBJECTS) as old:
        codec = codec_of(old.url, unique)
        value = codec.encoder(CONTRACT)(EVENT)
        assert codec.names.subject(CONTRACT.name) in codec.registry.subjects(int.from_bytes(value[1:5], "big"))
        assert decoder(codec).decode(value) == EVENT


def test_an_id_that_the_registry_lists_and_does_not_give_is_its_own_fault(cluster: Cluster, unique: str) -> None:
    with hiding(cluster.registry_url, NOTHING_BY_ID) as broken:
        codec = codec_of(broken.url, unique)
        value, reader = codec.encoder(CONTRACT)(EVENT), decoder(codec)
        with pytest.raises(RegistryUnavailableError, match=r"lists schema \d+ under .*NoteTaken, and does not give it"):
            reader.decode(value)
        broken.hidden = "^$"  # mended: the same record is read
        assert reader.decode(value) == EVENT


def test_a_registry_that_has_lost_its_data_is_to_blame(cluster: Cluster, unique: str) -> None:
    with hiding(cluster.registry_url, "^$") as lost:
        codec = codec_of(lost.url, unique)
        value = codec.encoder(CONTRACT)(EVENT)
        lost.hidden = r"^/(schemas|subjects/t)"
        with pytest.raises(RegistryUnavailableError, match=r"knows none of .*NoteTaken.* run `verbwire deploy`"):
            decoder(codec).decode(value)


def test_the_newest_id_of_all_is_waited_for_a_moment(cluster: Cluster, unique: str) -> None:
    """Of several registries, one may hear a little later of what was registered at another."""
    codec = codec_of(cluster.registry_url, unique)
    newer = with_field(CONTRACT, name="room", type="string", default="")
    newest = codec.registry.register(codec.names.subject(CONTRACT.name), newer.text)
    body = codec.encoder(CONTRACT)(EVENT)[5:] + b"\x06top"
    with hiding(cluster.registry_url, f"^/schemas/ids/{newest}/|/versions/2") as late:
        codec.registry = Registry(late.url)
        reader = decoder(codec)
        with pytest.raises(RegistryUnavailableError, match=f"does not know schema {newest}, perhaps not yet"):
            reader.decode(frame(newest) + body)
        late.hidden = "^$"
        assert reader.decode(frame(newest) + body) == EVENT


def test_ids_at_random_hold_up_a_topic_for_moments_only(cluster: Cluster, unique: str) -> None:
    codec, now = codec_of(cluster.registry_url, unique), 1000.0
    ids = UnknownIds({codec.names.subject(CONTRACT.name)}, lambda: now)
    waited = 0
    for number in range(600):  # one every tenth of a second
        blamed = ids.blame(codec.registry, 2**31 - 1 - number)
        waited += isinstance(blamed, RegistryUnavailableError)
        now += 0.1
    assert 0 < waited <= LAG_SECONDS * 10 + 1


def test_an_id_that_is_none_or_is_older_than_known_ones_is_refused_at_once(cluster: Cluster, unique: str) -> None:
    codec = codec_of(cluster.registry_url, unique)
    ids = UnknownIds({codec.names.subject(CONTRACT.name)})
    for schema_id in (0, 2**31, 2**32 - 1):
        assert isinstance(ids.blame(codec.registry, schema_id), UndecodableError)
    gone = codec.registry.id_of(codec.names.subject(CONTRACT.name), CONTRACT.text) - 1  # were it deleted
    assert isinstance(ids.blame(codec.registry, gone), UndecodableError)

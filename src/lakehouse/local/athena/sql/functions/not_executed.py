"""Functions that Athena has and the laptop refuses.

They are of types and algorithms that DuckDB has nothing like: geometries, sketches, classifiers, addresses.

https://trino.io/docs/current/functions/list-by-topic.html
"""

from __future__ import annotations

_GEOSPATIAL = """
    bing_tile bing_tile_at bing_tile_coordinates bing_tile_polygon bing_tile_quadkey bing_tile_zoom_level
    bing_tiles_around convex_hull_agg from_encoded_polyline from_geojson_geometry geometry_from_hadoop_shape
    geometry_invalid_reason geometry_nearest_points geometry_to_bing_tiles geometry_union geometry_union_agg
    great_circle_distance line_interpolate_point line_interpolate_points line_locate_point simplify_geometry
    spatial_partitioning spatial_partitions st_area st_asbinary st_astext st_boundary st_buffer st_centroid st_contains
    st_convexhull st_coorddim st_crosses st_difference st_dimension st_disjoint st_distance st_endpoint st_envelope
    st_envelopeaspts st_equals st_exteriorring st_geometries st_geometryfromtext st_geometryn st_geometrytype
    st_geomfrombinary st_geomfromkml st_interiorringn st_interiorrings st_intersection st_intersects st_isclosed
    st_isempty st_isring st_issimple st_isvalid st_length st_linefromtext st_linestring st_multipoint st_numgeometries
    st_numinteriorring st_numpoints st_overlaps st_point st_pointn st_points st_polygon st_relate st_startpoint
    st_symdifference st_touches st_union st_within st_x st_xmax st_xmin st_y st_ymax st_ymin to_encoded_polyline
    to_geojson_geometry to_geometry to_spherical_geography
"""
_SKETCHES = """
    approx_set empty_approx_set merge qdigest_agg value_at_quantile values_at_quantiles quantile_at_value tdigest_agg
    make_set_digest merge_set_digest intersection_cardinality jaccard_index hash_counts numeric_histogram
    theta_sketch_cardinality theta_sketch_union
"""
_MACHINE_LEARNING = """
    classify features learn_classifier learn_libsvm_classifier learn_libsvm_regressor learn_regressor regress
"""
_COLORS = "bar color render rgb"
_PATTERNS = "classifier match_number"
# Times with a zone, and timestamps of nine digits: DuckDB's have six.
_TIMES = "current_time from_iso8601_timestamp_nanos from_unixtime_nanos"
_ADDRESSES = "contains_ip ip_prefix"
# Stemmers of seventeen languages, SpookyHash, and numeric methods whose last digits would not be Java's.
_OTHERS = """
    word_stem spooky_hash_v2_32 spooky_hash_v2_64 beta_cdf inverse_beta_cdf to_char to_date to_timestamp
"""

_SECTIONS = (_GEOSPATIAL, _SKETCHES, _MACHINE_LEARNING, _COLORS, _PATTERNS, _TIMES, _ADDRESSES, _OTHERS)

NOT_EXECUTED: frozenset[str] = frozenset(name for section in _SECTIONS for name in section.split())
